package exports

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// agents is the namespace of the agents.
const agents = "agents"

// takeBack takes an export back, and holds what is said to become of it.
func (s *shop) takeBack(name string, optOut bool, want Taken) {
	s.t.Helper()
	taken, err := s.exports.TakeBack(s.t.Context(), name, optOut, agents)
	if s.must(err); taken != want {
		s.t.Errorf("of %s became %+v, want %+v", name, taken, want)
	}
}

// What auto-export made is taken back so that it stays away, by the agent or without one, and so is what a person made if that
// is asked for.
func TestTakingBack(t *testing.T) {
	s := newShop(t)
	for _, name := range []string{"led", "alone", "mine", "stays", "none", "never"} {
		s.service(name)
	}
	for name, labels := range map[string]map[string]string{"led": mark, "alone": mark, "mine": nil, "stays": nil, "orphan": mark} {
		s.must(s.Create(t.Context(), exportOf(name, labels)))
	}
	agent := make(chan error, 1)
	go func() {
		out := func(o *corev1.Service) bool { return o.Annotations["hansa.dev/export"] == "false" }
		_, err := clusterset.Await(t.Context(), s, &corev1.ServiceList{}, out, client.InNamespace("shop"), clusterset.Named("led"))
		if err == nil {
			err = s.Delete(t.Context(), exportOf("led", nil))
		}
		agent <- err
	}()
	s.takeBack("led", false, Taken{Was: true, OptedOut: true})
	s.must(<-agent)
	s.expect("led", "false", "none")
	s.takeBack("alone", false, Taken{Was: true, OptedOut: true})
	s.expect("alone", "false", "none")
	s.takeBack("orphan", false, Taken{Was: true})
	s.expect("orphan", "", "none")
	s.takeBack("mine", false, Taken{Was: true})
	s.expect("mine", "", "none")
	s.takeBack("stays", true, Taken{Was: true, OptedOut: true})
	s.expect("stays", "false", "none")
	s.takeBack("none", false, Taken{})
	s.expect("none", "", "none")
	s.takeBack("never", true, Taken{OptedOut: true})
	s.expect("never", "false", "none")
	s.must(s.Create(t.Context(), exportOf("bare", nil)))
	_, err := s.exports.TakeBack(t.Context(), "bare", true, agents)
	if err == nil || err.Error() != "there is no Service shop/bare to opt out; without --opt-out its ServiceExport alone is taken back" {
		t.Errorf("of no Service: %v", err)
	}
	s.expect("bare", "", "hand")
}

// remakes makes an export with the mark once the one of that name went, as agents do, and tells how that went.
func (s *shop) remakes(name string) <-chan error {
	s.t.Helper()
	w, err := s.Watch(s.t.Context(), &mcsv1beta1.ServiceExportList{}, client.InNamespace("shop"), clusterset.Named(name))
	s.must(err)
	done := make(chan error, 1)
	go func() {
		defer w.Stop()
		for e := range w.ResultChan() {
			if e.Type == watch.Deleted {
				done <- s.Create(s.t.Context(), exportOf(name, mark))
				return
			}
		}
		done <- errors.New("the watch ended before the export went")
	}()
	return done
}

// It is known that auto-export takes up what a person gave up, and once more opts out of that. Whether there may be such an
// auto-export is told by the ConfigMap of the gates, or else by what it made anywhere.
func TestAutoExportTakesUpWhatAPersonGaveUp(t *testing.T) {
	s := newShop(t)
	acts := func(why string, want bool) {
		t.Helper()
		if got := s.exports.autoActs(t.Context(), agents); got != want {
			t.Errorf("%s: acts is %t", why, got)
		}
	}
	acts("nothing speaks for it", false)
	s.service("web")
	s.must(s.Create(t.Context(), exportOf("web", nil)))
	acts("a person made one", false)
	for _, namespace := range []string{agents, "elsewhere"} {
		s.must(s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	}
	made := exportOf("made", mark)
	made.Namespace = "elsewhere"
	s.must(s.Create(t.Context(), made))
	acts("it made one of another namespace", true)
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: agents, Name: features.ConfigMap}, Data: map[string]string{"MCSHost": "true"}}
	s.must(s.Create(t.Context(), cm))
	acts("the ConfigMap does not speak of it", true)
	cm.Data["MCSAutoExport"] = "false"
	s.must(s.Update(t.Context(), cm))
	acts("it is off, and that is left behind", false)
	s.must(s.Delete(t.Context(), made))
	cm.Data["MCSAutoExport"] = "true"
	s.must(s.Update(t.Context(), cm))
	acts("it is on, and made nothing yet", true)

	remade := s.remakes("web")
	s.takeBack("web", false, Taken{Was: true, Again: true})
	s.must(<-remade)
	s.expect("web", "", "auto")
	s.takeBack("web", false, Taken{Was: true, OptedOut: true})
	s.expect("web", "false", "none")
}
