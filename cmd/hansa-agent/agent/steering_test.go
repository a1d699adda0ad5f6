package agent

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// steered returns a steering of gates as they were set at the start.
func steered(t *testing.T, gates ...string) *steering {
	t.Helper()
	log, o := slog.New(slog.DiscardHandler), Defaults()
	o.FeatureGates = gates
	s, err := newSwitches(&rest.Config{}, o, log)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDeparture(&rest.Config{}, o.Namespace, log)
	if err != nil {
		t.Fatal(err)
	}
	return newSteering("own", s, d, importer.New(federation.NewStore("own"), importer.Config{}), log)
}

func remembering(annotations, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}, Data: data}
}

// MCSServiceDiscovery off takes effect in order: nothing is exported at once, what is imported goes once the others know,
// and all is as before once nobody asks for it and the leader has taken note.
func TestDiscoveryIsTurnedOffPeersFirst(t *testing.T) {
	s := steered(t)
	off, known := gateMap(map[string]string{"MCSServiceDiscovery": "false"}), map[string]string{"withdrawn": "2026-03-01T12:00:00Z"}
	for _, step := range []struct {
		what                 string
		gates                *corev1.ConfigMap
		state                map[string]string
		stance               exporter.Stance
		discovers, withdrawn bool
	}{
		{"on", nil, nil, exporter.Speaks, true, false},
		{"off", off, nil, exporter.Withholds, true, false},
		{"the others know", off, known, exporter.Withholds, false, true},
		{"on again, which is not noted", nil, known, exporter.Withholds, false, true},
		{"noted", nil, nil, exporter.Speaks, true, false},
		{"off", off, nil, exporter.Withholds, true, false},
		{"on before the others knew", nil, nil, exporter.Speaks, true, false},
	} {
		if step.gates != nil {
			s.switches.see(step.gates, noon)
		} else {
			s.switches.see(nil, noon)
		}
		s.departure.see(remembering(nil, step.state))
		s.turn()
		stance, _ := s.speaking.now()
		withdrawn, _ := s.withdrawn.now()
		if stance != step.stance || s.discovers != step.discovers || withdrawn != step.withdrawn {
			t.Errorf("%s: stance %d, discovers %t, withdrawn %t; want %+v", step.what, stance, s.discovers, withdrawn, step)
		}
	}
}

// An agent that starts with the gate off has served nothing yet, and begins with nothing.
func TestAnAgentBeginsWithoutDiscovery(t *testing.T) {
	s := steered(t, "MCSServiceDiscovery=false")
	s.turn()
	stance, _ := s.speaking.now()
	if withdrawn, _ := s.withdrawn.now(); stance != exporter.Withholds || s.discovers || withdrawn {
		t.Errorf("stance %d, discovers %t, withdrawn %t", stance, s.discovers, withdrawn)
	}
}

// Who leaves, leaves, whatever the gates are; auto-export keeps what it made while nothing is exported, and takes it away
// when it is off.
func TestWhatAutoExportMayDo(t *testing.T) {
	leaving := map[string]string{state.LeaveAnnotation: "true"}
	for _, c := range []struct {
		what       string
		gates      []string
		annotation map[string]string
		configMap  map[string]string
		stance     exporter.Stance
		on, paused bool
	}{
		{"by default", nil, nil, nil, exporter.Speaks, false, false},
		{"on", []string{"MCSAutoExport=true"}, nil, nil, exporter.Speaks, true, false},
		{"on, and leaving", []string{"MCSAutoExport=true"}, leaving, nil, exporter.Leaves, true, true},
		{"on, without discovery", []string{"MCSAutoExport=true"}, nil, map[string]string{"MCSServiceDiscovery": "false"}, exporter.Withholds, true, true},
		{"asked for where discovery is off by the flag", []string{"MCSServiceDiscovery=false"}, nil, map[string]string{"MCSAutoExport": "true"}, exporter.Withholds, false, true},
		{"off, without discovery", []string{"MCSServiceDiscovery=false"}, nil, nil, exporter.Withholds, false, false},
		{"leaving, without discovery", []string{"MCSServiceDiscovery=false"}, leaving, nil, exporter.Leaves, false, false},
	} {
		s := steered(t, c.gates...)
		s.switches.see(gateMap(c.configMap), noon)
		s.departure.see(remembering(c.annotation, nil))
		s.turn()
		stance, _ := s.speaking.now()
		on, _ := s.auto.now()
		if paused, _ := s.paused.now(); stance != c.stance || on != c.on || paused != c.paused {
			t.Errorf("%s: stance %d, on %t, paused %t", c.what, stance, on, paused)
		}
	}
}

// An agent that cannot read what is said at run time takes nothing for said: auto-export pauses, and what was withdrawn
// stays so, until it can.
func TestWhatCannotBeReadIsNotSaid(t *testing.T) {
	s := steered(t)
	s.departure.see(remembering(nil, map[string]string{"withdrawn": "2026-03-01T12:00:00Z"}))
	s.switches.lose(errors.New("forbidden"))
	s.turn()
	stance, _ := s.speaking.now()
	if paused, _ := s.paused.now(); !paused || stance != exporter.Withholds || s.discovers {
		t.Errorf("paused %t, stance %d, discovers %t", paused, stance, s.discovers)
	}
	if _, faults, _ := s.switches.now(); len(faults) != 1 || !strings.Contains(faults[0], "hansa-system/hansa-features cannot be read: forbidden") {
		t.Errorf("faults %q", faults)
	}
	_, _, changed := s.switches.standing()
	if err := s.switches.regain(nil); err != nil || !closed(changed) {
		t.Errorf("it can be read again, %v, woken %t", err, closed(changed))
	}
	s.departure.see(remembering(nil, nil)) // as its leader notes once it is known to be on
	s.turn()
	stance, _ = s.speaking.now()
	if paused, _ := s.paused.now(); paused || stance != exporter.Speaks || !s.discovers {
		t.Errorf("paused %t, stance %d, discovers %t", paused, stance, s.discovers)
	}
}

// A freeze yields to leaving, and is back with the cluster.
func TestAFreezeYieldsToLeaving(t *testing.T) {
	s := steered(t)
	for _, step := range []struct {
		annotations map[string]string
		want        bool
	}{
		{map[string]string{state.FreezeAnnotation: "true"}, true},
		{map[string]string{state.FreezeAnnotation: "true", state.LeaveAnnotation: "true"}, false},
		{map[string]string{state.FreezeAnnotation: "true"}, true},
	} {
		s.departure.see(remembering(step.annotations, nil))
		s.turn()
		if c, _ := s.course.now(); c.frozen() != step.want {
			t.Errorf("%v: frozen %t", step.annotations, c.frozen())
		}
	}
}

// Who asks one thing is not woken by another: each looks at everything then.
func TestNobodyIsWokenByWhatIsNotTheirs(t *testing.T) {
	s := steered(t)
	s.turn()
	_, speaking := s.speaking.now()
	_, withdrawn := s.withdrawn.now()
	_, left := s.left.now()
	_, auto := s.auto.now()
	s.departure.see(remembering(map[string]string{state.FreezeAnnotation: "true"}, map[string]string{"frozen": "2026-03-01T12:00:00Z"}))
	s.turn()
	if closed(speaking) || closed(withdrawn) || closed(left) || closed(auto) {
		t.Error("a freeze wakes who has to do with something else")
	}
	s.switches.see(gateMap(map[string]string{"MCSAutoExport": "true"}), noon)
	s.turn()
	if closed(speaking) || closed(withdrawn) || closed(left) || !closed(auto) {
		t.Error("auto-export alone is to be woken by its gate")
	}
}

// Whoever turns a gate or pulls the brake has the importer obey, and who waits woken.
func TestTheImporterIsSteered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steered(t)
		done := make(chan error)
		imports := make(chan error)
		go func() { imports <- s.importer.Start(t.Context()) }()
		go func() { done <- s.Start(t.Context()) }()
		synctest.Wait()
		_, changed := s.course.now()
		s.switches.see(gateMap(map[string]string{"MCSHost": "false", "MCSClusterLocal": "false"}), noon)
		s.departure.see(remembering(map[string]string{state.FreezeAnnotation: "true"}, nil))
		synctest.Wait()
		if got := s.importer.View().Gates; got != (importer.Gates{Discovery: true}) || !closed(changed) {
			t.Errorf("gates %+v, woken %t", got, closed(changed))
		}
		t.Cleanup(func() {
			for _, ended := range []chan error{done, imports} {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		})
	})
}

// What was asked and is not so yet is told, with what is in the way.
func TestWhatIsUnderwayIsTold(t *testing.T) {
	m := &member{options: Defaults()}
	asked, noted := state.Departure{Asked: true}, state.Departure{Left: true}
	since := state.Freeze{Asked: true, Since: noon}
	for _, c := range []struct {
		course course
		want   string
	}{
		{course{}, ""},
		{course{withholding: state.Departure{Asked: true, Left: true}, freeze: since}, ""},
		{course{withholding: asked}, "gate MCSServiceDiscovery is off: the others are being told, and what is imported stays until that is written down, in ConfigMap hansa-system/hansa-state"},
		{course{withholding: noted}, "gate MCSServiceDiscovery is on, and nothing is exported or imported until that is written down, in ConfigMap hansa-system/hansa-state"},
		{course{freeze: state.Freeze{Asked: true}}, "what is imported is frozen, which is not written down yet, in ConfigMap hansa-system/hansa-state"},
		{course{freeze: state.Freeze{Since: noon}}, "what is imported is released, which is not written down yet, in ConfigMap hansa-system/hansa-state"},
		{course{freeze: state.Freeze{Asked: true}, leaving: asked}, ""},
	} {
		if got := m.underway(c.course); got != c.want {
			t.Errorf("%+v: %s, want %s", c.course, got, c.want)
		}
	}
	m.unwritten.of("a", errors.New("it is immutable"))
	if got := m.underway(course{withholding: noted}); !strings.HasSuffix(got, "hansa-state, which fails: it is immutable") {
		t.Errorf("it says %s", got)
	}
	if m.unwritten.of("a", nil); m.unwritten.why() != "" {
		t.Errorf("written, and it says %s", m.unwritten.why())
	}
}

// Of the clusters that a person drains the own one is told to the others; what is not understood drains nobody, and none of
// the rest less.
func TestDrainsAreFollowed(t *testing.T) {
	s := steered(t)
	for _, step := range []struct{ says, own string }{
		{"", "0001-01-01T00:00:00Z/0s"},
		{"own=2026-01-02T03:04:05Z/5m,east=2026-01-02T03:04:05Z/1m", "2026-01-02T03:04:05Z/5m0s"},
		{"own=2026-01-02T03:04:05Z/5m,east=soon", "2026-01-02T03:04:05Z/5m0s"},
		{"own=soon", "0001-01-01T00:00:00Z/0s"},
		{"", "0001-01-01T00:00:00Z/0s"},
	} {
		s.departure.see(remembering(map[string]string{state.DrainAnnotation: step.says}, nil))
		s.turn()
		if own, _ := s.drain.now(); own.String() != step.own {
			t.Errorf("%q: this cluster says %s, want %s", step.says, own, step.own)
		}
	}
}
