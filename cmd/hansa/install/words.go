package install

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/hansa-mcs/hansa/charts"
)

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Error() string { return h.error.Error() + ": " + h.hint }
func (h hinted) Unwrap() error { return h.error }

// violation is a line of a schema's verdict. Several that are in one value are below a line that says so.
var violation = regexp.MustCompile(`(?m)^ *- at '/?([^']*)': (.*)$`)

// refusal is what a template says that refuses values.
var refusal = regexp.MustCompile(`error calling (?:fail|required|include): (?:.*error calling (?:fail|required): )?(.*)$`)

// explain says of an error of Helm what a person can do about it.
func explain(err error) error {
	text := err.Error()
	var network net.Error
	var asked *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case strings.Contains(text, "don't meet the specifications of the schema"):
		return refused(text)
	case strings.Contains(text, "execution error at"):
		if i := strings.LastIndex(text, "): "); i >= 0 {
			return fmt.Errorf("value %s", text[i+len("): "):])
		}
	case refusal.MatchString(text) && !strings.Contains(text, "error calling lookup"):
		return fmt.Errorf("value %s", refusal.FindStringSubmatch(text)[1])
	case strings.Contains(text, "invalid ownership metadata"):
		return hinted{err, "delete it, or let this installation adopt it (--adopt)"}
	case apierrors.IsForbidden(err):
		return hinted{err, "an installation makes cluster roles: use credentials of a cluster administrator"}
	case apierrors.IsUnauthorized(err):
		return hinted{err, "the API server does not know these credentials: log in again, or choose another context"}
	case errors.As(err, &asked), errors.As(err, &network):
		return hinted{err, "look whether the context leads to the right cluster, and whether its API server is up"}
	}
	return err
}

// mismatch is what such a line says of text of another form.
var mismatch = regexp.MustCompile(`^'(.*)' does not match pattern '`)

// requoted puts what is between single quotes between double ones.
var requoted = strings.NewReplacer(`\'`, `'`, `"`, `\"`)

// refused makes one line of a schema's verdict.
func refused(text string) error {
	var lines []string
	for _, m := range violation.FindAllStringSubmatch(text, -1) {
		path, says := m[1], m[2]
		name := strings.ReplaceAll(path, "/", ".")
		typed := mismatch.FindStringSubmatch(says)
		switch {
		case says == "validation failed":
		case name == "":
			lines = append(lines, says)
		case typed != nil && title(path) != "":
			lines = append(lines, fmt.Sprintf(`%s "%s": want %s`, name, requoted.Replace(typed[1]), title(path)))
		default:
			lines = append(lines, name+": "+says)
		}
	}
	if lines == nil {
		return errors.New(text)
	}
	return fmt.Errorf("values of the chart: %s", strings.Join(lines, "; "))
}

// title returns what the chart's schema calls a value, "" for nothing: it is in the words of people, as a pattern is not.
func title(path string) string {
	text, err := fs.ReadFile(charts.Hansa(), "values.schema.json")
	if err != nil {
		return ""
	}
	type schema struct {
		Title      string
		Properties map[string]*schema
		Items      *schema
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		return ""
	}
	at := &root
	for name := range strings.SplitSeq(path, "/") {
		if at = cmp.Or(at.Properties[name], at.Items); at == nil {
			return ""
		}
	}
	return at.Title
}
