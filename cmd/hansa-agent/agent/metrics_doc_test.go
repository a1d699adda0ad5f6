package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/metrics.md is made of the list that /metrics is made of, so it is true.
func TestTheReferenceListsEveryMetric(t *testing.T) {
	const path = "../../../docs/metrics.md"
	want := metricsReference()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run go test ./cmd/hansa-agent/agent -update", path)
	}
}

// In metricsIntroduction ' stands for `.
const metricsIntroduction = `# Metrics

Every agent shows its metrics at '/metrics' of '--http-address', in the text format of Prometheus. All but the
histograms, and what is counted of DNS, are read where they are kept when somebody asks.

* They are of one agent. Scrape all agents of a cluster: one leads, and has streams to the other clusters; the others,
  its standbys, hear of them by the leader. What an agent cannot know it does not show: a series that is not there is no
  good news.
* 'cluster' is the ID of a cluster. Where "another cluster" stands, that of the agent is not among them.
* What goes over streams is counted from the start of the agent, over all streams to a cluster. Of its own cluster an
  agent tells what goes to its standbys, or comes from its leader.

Beside these there are the metrics of the libraries: 'go_*', 'process_*', and 'controller_runtime_*', 'workqueue_*' and
'rest_client_*' once there is something to tell.
`

func metricsReference() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(metricsIntroduction, "'", "`"))
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | meaning | look when |\n|---|---|---|---|---|\n", s.title)
		for _, m := range s.metrics {
			labels := ""
			if len(m.labels) > 0 {
				labels = "`" + strings.Join(m.labels, "`, `") + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.name, m.kind, labels, m.help, m.watch)
		}
	}
	return b.String()
}
