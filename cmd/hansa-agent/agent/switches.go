package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
)

// switches follow how the gates stand, in every agent of the cluster.
type switches struct {
	log      *slog.Logger
	name     string           // of the ConfigMap, with its namespace
	fixed    []features.Layer // what was said at the start
	follower *follower
	said     features.Layer // by the ConfigMap; the follower alone touches it

	mu      sync.Mutex
	is      features.Set
	faults  []string
	blind   string        // why the ConfigMap cannot be read, "" if it can
	changed chan struct{} // closes when one of these is another
}

// blindness is how long an agent that starts waits for the ConfigMap while it may not read it: an API server that begins may
// not know roles yet. Then it goes by what was said at the start.
const blindness = 10 * time.Second

func newSwitches(c *rest.Config, options Options, log *slog.Logger) (*switches, error) {
	config := rest.CopyConfig(c)
	config.QPS = -1
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of ConfigMaps: %w", err)
	}
	s := &switches{log: log, name: options.Namespace + "/" + features.ConfigMap, changed: make(chan struct{})}
	if s.fixed, err = options.gates(); err != nil {
		return nil, err
	}
	s.is, _ = features.Resolve(time.Now(), s.fixed...)
	one := toolscache.NewListWatchFromClient(core.RESTClient(), "configmaps", options.Namespace, fields.OneTermEqualSelector("metadata.name", features.ConfigMap))
	read := &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := one.ListWithContext(ctx, o)
			return list, s.regain(err)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := one.WatchWithContext(ctx, o)
			return w, s.regain(err)
		},
	}
	s.follower = &follower{
		informer: toolscache.NewSharedIndexInformer(read, &corev1.ConfigMap{}, 0, nil),
		see:      func(obj any) { s.see(obj, time.Now()) },
		blind:    s.lose,
		patience: blindness,
		settled:  make(chan struct{}),
	}
	return s, nil
}

// lose notes that the ConfigMap cannot be read.
func (s *switches) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind != "" {
		return
	}
	s.blind = fmt.Sprintf("ConfigMap %s cannot be read: %v: gates stand as they did, auto-export neither makes nor deletes anything, and what was withdrawn stays so; docs/roles.yaml has the role that is needed", s.name, err)
	s.log.Warn("cannot watch the ConfigMap that turns gates at run time; gates stand as they did, and auto-export pauses (docs/roles.yaml has the role that is needed)", "configmap", s.name, "error", err)
	s.wake()
}

// regain notes, of a read without error, that the ConfigMap can be read again, and returns the error: of what did not
// change meanwhile nothing else tells.
func (s *switches) regain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.blind != "" {
		s.blind = ""
		s.log.Info("the ConfigMap that turns gates at run time can be read again", "configmap", s.name)
		s.wake()
	}
	return err
}

// wake wakes who waits. The lock is held.
func (s *switches) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Start follows the ConfigMap until ctx ends.
func (s *switches) Start(ctx context.Context) error { return s.follower.run(ctx) }

// Settled returns a channel that closes once it is known what the ConfigMap says.
func (s *switches) Settled() <-chan struct{} { return s.follower.settled }

// now returns how the gates stand, what is wrong with what was said of them, and a channel that closes when one of both
// is another.
func (s *switches) now() (features.Set, []string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind != "" {
		return s.is, append([]string{s.blind}, s.faults...), s.changed
	}
	return s.is, s.faults, s.changed
}

// standing returns how the gates stand, whether nobody can read what is said of them at run time, and a channel that closes
// when one of both is another.
func (s *switches) standing() (is features.Set, blind bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is, s.blind != "", s.changed
}

// see takes what the ConfigMap says, nil for none.
func (s *switches) see(obj any, now time.Time) {
	cm, _ := obj.(*corev1.ConfigMap)
	if cm == nil {
		cm = &corev1.ConfigMap{}
	}
	said, faults := features.ReadConfigMap(s.name, cm.Data, func(key string) time.Time { return keptSince(cm, key) }, s.said)
	for _, key := range slices.Sorted(maps.Keys(cm.BinaryData)) {
		if _, err := features.ParseGate(key); err == nil {
			faults = append(faults, fmt.Errorf("ConfigMap %s: key %s of binaryData is not read: want it in data", s.name, key))
		}
	}
	s.said = said
	is, more := features.Resolve(now, append(slices.Clone(s.fixed), said)...)
	var texts []string
	for _, fault := range append(faults, more...) {
		texts = append(texts, fault.Error())
	}
	s.set(is, texts)
}

func (s *switches) set(is features.Set, faults []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.is
	is = is.After(before)
	if slices.Equal(faults, s.faults) && sameStandings(is, before) {
		return
	}
	for _, fault := range faults {
		if !slices.Contains(s.faults, fault) {
			s.log.Warn("a gate cannot be set as the ConfigMap says", "configmap", s.name, "error", fault)
		}
	}
	for _, st := range is.List() {
		if was := before[st.Gate]; was.On != st.On {
			s.log.Info("a gate was turned", "gate", string(st.Gate), "on", st.On, "by", by(st))
		}
	}
	s.is, s.faults = is, faults
	s.wake()
}

func sameStandings(a, b features.Set) bool { return slices.Equal(a.List(), b.List()) }

// by names whose word a gate stands by.
func by(st features.Standing) string {
	if st.Where == "" {
		return string(st.Origin)
	}
	return st.Where
}

// keptSince returns when a key of the ConfigMap got the value that it has, as far as the API server knows; zero if it
// does not.
func keptSince(cm *corev1.ConfigMap, key string) (since time.Time) {
	field := `"f:` + key + `":`
	for _, m := range cm.ManagedFields {
		if m.Time != nil && m.FieldsV1 != nil && strings.Contains(m.FieldsV1.GetRawString(), field) && m.Time.After(since) {
			since = m.Time.Time
		}
	}
	return since.UTC()
}
