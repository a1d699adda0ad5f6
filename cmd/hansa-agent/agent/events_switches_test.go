package agent

import (
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
)

// What a person switches is told once, by whoever leads then; how it stood at first is no news, nor is it for who takes
// over.
func TestSwitchesAreTold(t *testing.T) {
	standing := func(gates ...string) features.Set {
		layer, err := features.ParseFlag(gates)
		if err != nil {
			t.Fatal(err)
		}
		set, _ := features.Resolve(noon, layer)
		return set
	}
	var told tale
	for _, step := range []struct {
		what  string
		board board
		want  string
	}{
		{"at first", board{true, standing("MCSHost=false"), []string{"a slip"}, true}, ""},
		{"the same", board{true, standing("MCSHost=false"), []string{"a slip"}, true}, ""},
		{"turned", board{true, standing("MCSServiceDiscovery=false"), nil, true},
			"Normal FeatureGateTurned gate MCSServiceDiscovery is off, by --feature-gates: nothing is announced, imported, or served beyond cluster.local\n" +
				"Normal FeatureGateTurned gate MCSHost is on, by default: nothing, as MCSServiceDiscovery is off\n"},
		{"a mistake", board{true, standing("MCSServiceDiscovery=false"), []string{"another slip"}, true}, "Warning FeatureGateRefused another slip\n"},
		{"released", board{true, standing(), nil, false},
			"Normal FeatureGateTurned gate MCSServiceDiscovery is on, by default: what this cluster exports is announced, and what others export is imported and served\n" +
				"Normal ImportsReleased what is imported follows the other clusters again\n"},
		{"frozen", board{true, standing(), nil, true}, "Warning ImportsFrozen what is imported stays as it is, whatever other clusters say, as a person asked; hansa unfreeze releases it\n"},
	} {
		var events []event
		told, events, _ = told.next(scene{stint: 1, board: step.board}, noon)
		var got strings.Builder
		for _, e := range events {
			if e.reason != reasonLeader {
				got.WriteString(e.kind + " " + e.reason + " " + e.note + "\n")
			}
		}
		if got.String() != step.want {
			t.Errorf("%s: told %s, want %s", step.what, got.String(), step.want)
		}
	}
	told = told.follow(scene{board: board{known: true, gates: standing()}})
	if _, events, _ := told.next(scene{stint: 2, board: board{known: true, gates: standing()}}, noon); len(events) != 0 {
		t.Errorf("told %v of what another one told", events)
	}
}
