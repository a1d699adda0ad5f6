package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hansa-mcs/hansa/federation/trust"
)

var (
	aToken = regexp.MustCompile(`hansa1\.[A-Za-z0-9_-]{80,}`)
	anID   = regexp.MustCompile(`\b[0-9a-f]{16}\b`)
)

// varying is what differs from run to run, and what stands for it.
var varying = []struct {
	text *regexp.Regexp
	word string
}{
	{aToken, "TOKEN"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "UID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
	{anID, "ID"},
	{regexp.MustCompile(`\b127\.0\.0\.1:\d{4,5}\b`), "ADDRESS"}, // of neither agent, as those have words of their own
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\b1\d{12}\.\d+\b`), "VERSION"},
	{regexp.MustCompile(`\b10\.9[6-8]\.\d+\.\d+\b`), "CLUSTERSETIP"},
	{regexp.MustCompile(`(?m)(revision"?: )\d+`), "${1}REVISION"},
	{regexp.MustCompile(`((?:secondsAgo|SecondsAgo|ageSeconds|unacknowledgedSeconds)"?: )[\d.e-]+`), "${1}SECONDS"},
	{regexp.MustCompile(`(not heard for |Z, for |TIME, for )[0-9hms]+`), "${1}AGE"},
	{regexp.MustCompile(`\b[0-9hms]+ ago`), "AGE ago"},
	{regexp.MustCompile(`((?:received|receivedBytes|sentBytes|streams)"?: )\d+`), "${1}COUNT"},
	{regexp.MustCompile(`(dialer"?: )"?[a-z]+"?`), "${1}CLUSTER"},
	{regexp.MustCompile(`("lastError": )(null|\{[^}]*\})`), "${1}ERROR"}, // of a stream that another one took the place of
	{regexp.MustCompile(`go1\.[0-9a-z.]+ \w+/\w+`), "GO"},
}

// stable returns what was printed with words for what differs from run to run, and tables as wide as they are then.
func stable(ts *testscript.TestScript, text string) string {
	for _, cluster := range sceneOf(ts).all {
		for _, variable := range []string{strings.ToUpper(cluster) + "_AGENT", strings.ToUpper(cluster)} {
			if address := ts.Getenv(variable); address != "" {
				text = strings.ReplaceAll(text, address, variable)
				text = strings.ReplaceAll(text, "--listen="+address[strings.LastIndex(address, ":"):], "--listen=:PORT")
			}
		}
	}
	if address := ts.Getenv("STRANGER"); address != "" {
		text = strings.ReplaceAll(text, address, "STRANGER")
	}
	for _, variable := range []string{"KUBECONFIG", "WORK"} {
		if path := ts.Getenv(variable); path != "" {
			text = strings.ReplaceAll(text, path, variable)
		}
	}
	if host, err := os.Hostname(); err == nil {
		text = regexp.MustCompile(regexp.QuoteMeta(host)+`-[A-Z0-9]{8}`).ReplaceAllString(text, "AGENT")
	}
	for _, v := range varying {
		text = v.text.ReplaceAllString(text, v.word)
	}
	return aligned(text)
}

var (
	heading = regexp.MustCompile(`^[A-Z][A-Z ]+(  +[A-Z][A-Z ]+)+$`)
	gap     = regexp.MustCompile(`  +`)
	anAge   = regexp.MustCompile(`^\d+[smhd](\d+s)?$`)
)

// varyingColumns are those of which only their name stays: what an error says depends on who noticed first.
var varyingColumns = map[string]bool{"LAST ERROR": true, "SENT": true, "RECEIVED": true}

// aligned makes the columns of tables as wide as they have to be. Ages in them are AGE.
func aligned(text string) string {
	var out bytes.Buffer
	var table *tabwriter.Writer
	var names []string // of the columns
	end := func() {
		if table != nil {
			table.Flush()
			table = nil
		}
	}
	for line := range strings.Lines(text) {
		row := strings.TrimSuffix(line, "\n")
		cells := gap.Split(row, -1)
		begins := heading.MatchString(row)
		if begins {
			end()
			table, names = tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0), cells
		}
		if table == nil || len(cells) < 2 {
			end()
			out.WriteString(line)
			continue
		}
		for i := range cells {
			cells[i] = anAge.ReplaceAllString(cells[i], "AGE")
			if i < len(names) && varyingColumns[names[i]] && !begins && cells[i] != "-" {
				cells[i] = names[i]
			}
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	end()
	return out.String()
}

func compare(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		ts.Fatalf("usage: cmpout stdout|stderr FILE")
	}
	got := stable(ts, ts.ReadFile(args[0]))
	if *update {
		if before, twice := sceneOf(ts).printed[args[1]]; twice && before != got {
			ts.Fatalf("%s was\n%sand is\n%s", args[1], before, got)
		}
		sceneOf(ts).printed[args[1]] = got
		return
	}
	if want := aligned(ts.ReadFile(args[1])); got != want {
		ts.Fatalf("%s is\n%swant\n%s", args[0], got, want)
	}
}

func says(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		ts.Fatalf("usage: says stdout|stderr LINE")
	}
	got := stable(ts, ts.ReadFile(args[0]))
	if strings.Count(got, "\n") > 1 {
		ts.Fatalf("%s has more than one line:\n%s", args[0], got)
	}
	if *update {
		line := strings.ReplaceAll(strings.TrimSuffix(got, "\n"), "'", "''")
		sceneOf(ts).said = append(sceneOf(ts).said, fmt.Sprintf("says %s '%s'\n", args[0], line))
		return
	}
	if want := args[1] + "\n"; got != want {
		ts.Fatalf("%s is\n%swant\n%s", args[0], got, want)
	}
}

// rewrite puts into the script what was printed, and how what it ran ended.
func (s *scene) rewrite() error {
	if len(s.printed)+len(s.said)+len(s.ended) == 0 {
		return nil
	}
	archive, err := txtar.ParseFile(s.script)
	if err != nil {
		return err
	}
	var script strings.Builder
	for line := range strings.Lines(string(archive.Comment)) {
		switch {
		case strings.HasPrefix(line, "says ") && len(s.said) > 0:
			line, s.said = s.said[0], s.said[1:]
		case strings.HasPrefix(line, "exits ") && len(s.ended) > 0:
			words := strings.SplitN(line, " ", 3)
			line, s.ended = fmt.Sprintf("exits %d %s", s.ended[0], words[2]), s.ended[1:]
		}
		script.WriteString(line)
	}
	archive.Comment = []byte(script.String())
	for i, file := range archive.Files {
		if text, ok := s.printed[file.Name]; ok {
			archive.Files[i].Data = []byte(text)
			delete(s.printed, file.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.printed)) {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(s.printed[name])})
	}
	return os.WriteFile(s.script, txtar.Format(archive), 0o644)
}

func saveToken(ts *testscript.TestScript, not bool, args []string) {
	save(ts, args, "token", aToken)
}

func saveID(ts *testscript.TestScript, not bool, args []string) { save(ts, args, "id", anID) }

func save(ts *testscript.TestScript, args []string, what string, which *regexp.Regexp) {
	if len(args) != 1 {
		ts.Fatalf("usage: %s VARIABLE", what)
	}
	text := cmp.Or(which.FindString(ts.ReadFile("stdout")), which.FindString(ts.ReadFile("stderr")))
	if text == "" {
		ts.Fatalf("no %s was printed", what)
	}
	ts.Setenv(args[0], text)
}

func forge(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		ts.Fatalf("usage: forge VARIABLE TOKEN")
	}
	token, err := trust.ParseToken(args[1])
	ts.Check(err)
	token.Secret[0]++
	ts.Setenv(args[0], token.Text())
}

// expire puts the time at which a token was to expire into the past.
func expire(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 1 {
		ts.Fatalf("usage: expire VARIABLE")
	}
	name := "secret/hansa-token-" + ts.Getenv(args[0])
	ts.Check(ts.Exec("kubectl", "--context=east", "-n=hansa-system", "get", name, "-o=jsonpath={.data.record}"))
	text, err := base64.StdEncoding.DecodeString(ts.ReadFile("stdout"))
	ts.Check(err)
	var record map[string]any
	ts.Check(json.Unmarshal(text, &record))
	record["expires"] = time.Now().Add(-time.Minute).UTC()
	text, err = json.Marshal(record)
	ts.Check(err)
	patch, err := json.Marshal(map[string]any{"data": map[string]any{"record": text}})
	ts.Check(err)
	ts.Check(ts.Exec("kubectl", "--context=east", "-n=hansa-system", "patch", name, "--patch="+string(patch)))
}
