package install

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Error() string { return h.error.Error() + ": " + h.hint }
func (h hinted) Unwrap() error { return h.error }

// violation is a line of a schema's verdict.
var violation = regexp.MustCompile(`(?m)^- at '/?([^']*)': (.*)$`)

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

// refused makes one line of a schema's verdict.
func refused(text string) error {
	var lines []string
	for _, m := range violation.FindAllStringSubmatch(text, -1) {
		name := strings.ReplaceAll(m[1], "/", ".")
		if name == "" {
			lines = append(lines, m[2])
		} else {
			lines = append(lines, name+": "+m[2])
		}
	}
	if lines == nil {
		return errors.New(text)
	}
	return fmt.Errorf("values of the chart: %s", strings.Join(lines, "; "))
}
