package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// DefaultName is the ConfigMap's name in the agent's namespace.
const DefaultName = "hansa-state"

// Config says where a Keeper keeps the state, and when it may.
type Config struct {
	ConfigMaps corev1client.ConfigMapInterface // of the agent's namespace; it may get, create and patch
	Name       string                          // of the ConfigMap

	// Self is the cluster whose state it is. A ConfigMap that says another is an OtherClusterError of whatever is
	// asked of it. With "" nothing is said about that, and any is taken.
	Self federation.ClusterID

	// Gate waits until this agent leads, or for the end of ctx, which is its error. It is called before each
	// write of what was noted; lead ends when the agent may write no longer, done is called when it has
	// written. Nil lets every agent write.
	Gate func(ctx context.Context) (lead context.Context, done func(), err error)

	Log *slog.Logger
}

// Keeper reads and writes the state. All methods may be called from any goroutine.
type Keeper struct {
	config Config
	log    *slog.Logger
	woken  chan struct{} // holds one: something was noted

	mu    sync.Mutex
	term  uint64            // that was taken
	noted []Cluster         // sorted, valid
	data  map[string]string // of the ConfigMap as it was last seen; nobody writes to it
	uid   types.UID         // of the ConfigMap as it was last seen, "" if there was none
	made  chan struct{}     // closes once there was one
	lost  *loss             // what is to be written of a ConfigMap that was deleted, nil for nothing
	// What was logged last of what is noted and cannot be remembered, and of what cannot be read.
	invalid, surplus, unread string
}

// New returns a Keeper. Start makes it write what is noted.
func New(config Config) *Keeper {
	if config.Gate == nil {
		config.Gate = func(ctx context.Context) (context.Context, func(), error) { return ctx, func() {}, ctx.Err() }
	}
	return &Keeper{config: config, log: config.Log.With("config_map", config.Name), woken: make(chan struct{}, 1), made: make(chan struct{})}
}

// OtherClusterError says that the ConfigMap is another cluster's.
type OtherClusterError struct{ Found federation.ClusterID }

// Error implements error.
func (e *OtherClusterError) Error() string { return fmt.Sprintf("it is of cluster %q", e.Found) }

// Made returns a channel that closes once the Keeper has seen that the ConfigMap is there.
func (k *Keeper) Made() <-chan struct{} { return k.made }

// UID returns that of the ConfigMap as it was last seen, "" if there was none.
func (k *Keeper) UID() types.UID {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.uid
}

// Load reads what is remembered, a zero State if nothing is. What cannot be read is left out, and logged in one line, once
// for as long as it stays the same; the error is the API server's, or an OtherClusterError.
func (k *Keeper) Load(ctx context.Context) (State, error) {
	cm, err := k.read(ctx)
	if err != nil || cm == nil {
		return State{}, err
	}
	s, err := Decode(cm.Data)
	if n, first := count(err); k.anew(&k.unread, err) {
		k.log.Error("left out of what was remembered what cannot be read; it is written anew once it is known again", "mistakes", n, "first", first)
	}
	return s, nil
}

// Seen returns the clusters that the ConfigMap remembered when it was last read or written. It asks nobody.
func (k *Keeper) Seen() []Cluster {
	k.mu.Lock()
	data := k.data
	k.mu.Unlock()
	s, _ := Decode(data) // Load has told what cannot be read
	return s.Clusters
}

// TakeTerm returns a term for a leader that starts at now, and has written it to the ConfigMap for the version
// that it read, so no two leaders take the same. It is the greatest of the remembered term + 1, atLeast and
// the clock in Unix milliseconds. A remembered term that cannot be read, or that is beyond federation.MaxTerm,
// is logged and replaced, as peers would refuse whatever goes on from it: then the clock alone keeps the new
// term apart from earlier ones, and atLeast from those that peers hold. Whether an agent may take a term is the caller's to know; other agents'
// writes are waited out until ctx ends.
func (k *Keeper) TakeTerm(ctx context.Context, atLeast uint64, now time.Time) (uint64, error) {
	var term uint64
	var doubt, forgotten error
	_, err := k.rewrite(ctx, func(data map[string]string) map[string]string {
		term, doubt = nextTerm(data, atLeast, now)
		changes := Encode(State{Self: k.config.Self, Term: term})
		forgotten = makeRoom(data, changes, k.known())
		return changes
	})
	if err != nil {
		return 0, fmt.Errorf("taking a term: %w", err)
	}
	k.tell(forgotten)
	if doubt != nil {
		k.log.Error("replaced a remembered term that cannot be; if this machine's clock is wrong, set it: until then peers may refuse what this cluster says",
			"term", term, "error", doubt)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.term = term
	return term, nil
}

// Note says which clusters are known now; the newest word wins. It never blocks. What a Cluster does not say
// (no UID, no address, never heard) leaves what is remembered, and so does the absence of a cluster; one that left is
// forgotten. Of its
// addresses the first MaxAddresses count. What is not valid is logged and left out. The caller keeps the
// slice.
func (k *Keeper) Note(clusters []Cluster) {
	var wrong problems
	noted := make([]Cluster, 0, len(clusters))
	for _, c := range clusters {
		if _, err := federation.ParseClusterID(string(c.ID)); err != nil {
			wrong.add(err)
			continue
		}
		c, faults := c.normal()
		wrong.add(faults...)
		noted = append(noted, c)
	}
	slices.SortStableFunc(noted, byID)
	noted = slices.CompactFunc(noted, func(a, b Cluster) bool { return a.ID == b.ID })
	k.mu.Lock()
	k.noted = noted
	k.mu.Unlock()
	k.lament(wrong.join())
	k.wake()
}

// tell logs in one line which clusters are too many to be remembered, once for as long as it stays what was logged last.
func (k *Keeper) tell(surplus error) {
	if n, first := count(surplus); k.anew(&k.surplus, surplus) {
		k.log.Error("cannot remember all clusters", "left_out", n, "first", first)
	}
}

// lament logs what is noted and not valid, once for as long as it stays what was logged last.
func (k *Keeper) lament(err error) {
	if !k.anew(&k.invalid, err) {
		return
	}
	for _, fault := range lines(err) {
		k.log.Error("cannot remember what is known of a cluster", "error", fault)
	}
}

// anew reports whether there is something to log that is another than what was logged last, and notes it.
func (k *Keeper) anew(last *string, err error) bool {
	text := ""
	if err != nil {
		text = err.Error()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	again := text == *last
	*last = text
	return !again && text != ""
}

// lines returns the errors that were joined.
func lines(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return nil
}
