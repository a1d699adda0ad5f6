package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// course is what a person asks of this cluster, and how far its leader has come with it.
type course struct {
	// leaving is of the clusterset, and withholding of what is exported, as MCSServiceDiscovery is off.
	leaving, withholding state.Departure
	freeze               state.Freeze
	// autoExport is MCSAutoExport, and known whether that is what was asked for: what is said at run time could be read, and
	// was not refused.
	autoExport, known bool
}

// stance is what the exporter is to do.
func (c course) stance() exporter.Stance {
	switch {
	case c.leaving.Phase() != state.Inside:
		return exporter.Leaves
	case c.withholding.Phase() != state.Inside:
		return exporter.Withholds
	}
	return exporter.Speaks
}

// parts reports whether this cluster withholds from the others what it exports, and not all of them know: until they do it
// goes on using that itself. Who leaves does not.
func (c course) parts() bool {
	return c.leaving.Phase() == state.Inside && c.withholding.Phase() == state.Leaving
}

// frozen reports whether what is imported is to stay as it is. Who leaves keeps nothing.
func (c course) frozen() bool { return c.freeze.Asked && c.leaving.Phase() == state.Inside }

// pauses reports whether auto-export is to leave everything as it is, so that each ServiceExport keeps its age: while it
// is not known whether it is on, and while it is and nothing is exported whatever it does.
func (c course) pauses() bool { return !c.known || c.autoExport && c.stance() != exporter.Speaks }

// discovers reports whether what clusters export is to be concluded and served. A cluster that withholds goes on with it
// until the others know: peers first. But an agent that starts then begins with nothing, as it has served nothing yet.
func (c course) discovers(before bool) bool {
	switch c.withholding.Phase() {
	case state.Inside:
		return true
	case state.Outside:
		return false
	}
	return before
}

// steering keeps the course, and the importer on it. What it tells others changes only when their own answer does, as
// they look at everything then.
type steering struct {
	log       *slog.Logger
	switches  *switches
	departure *departure
	importer  *importer.Importer
	discovers bool // as the importer was told last

	course    *current[course]
	speaking  *current[exporter.Stance]
	withdrawn *current[bool] // the others know that this cluster withholds
	left      *current[bool]
	auto      *current[bool]
	paused    *current[bool]             // auto-export
	drain     *current[federation.Drain] // of this cluster

	self   federation.ClusterID
	drains string // as the importer was told last
}

func newSteering(self federation.ClusterID, s *switches, d *departure, i *importer.Importer, log *slog.Logger) *steering {
	return &steering{
		self: self, drain: newCurrent[federation.Drain](),
		log: log, switches: s, departure: d, importer: i,
		course: newCurrent[course](), speaking: newCurrent[exporter.Stance](), withdrawn: newCurrent[bool](), left: newCurrent[bool](),
		auto: newCurrent[bool](), paused: newCurrent[bool](),
	}
}

// Start follows the gates and the ConfigMap that remembers until ctx ends.
func (s *steering) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		turned, changed := s.turn()
		select {
		case <-turned:
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// turn brings the course up to date, and returns channels of which one closes when it may be another. It is called once
// before Start, so that whatever runs with Start finds a course.
func (s *steering) turn() (turned, changed <-chan struct{}) {
	gates, blind, turned := s.switches.standing()
	said, changed := s.departure.now()
	c := course{
		leaving: said.Departure, freeze: said.freeze, autoExport: gates.On(features.AutoExport), known: !blind && !gates[features.AutoExport].Refused,
		// While nobody can read whether it is on, what was withdrawn for its sake stays so.
		withholding: state.Departure{Asked: !gates.On(features.ServiceDiscovery) || blind && said.withdrawn, Left: said.withdrawn},
	}
	before, _ := s.course.now()
	s.tell(before.withholding.Phase(), c.withholding.Phase())
	s.discovers = c.discovers(s.discovers)
	s.drainAs(said.drains)
	s.importer.Part(c.parts()) // before the exporter is told
	s.importer.Freeze(c.frozen())
	s.importer.SetGates(importer.Gates{Discovery: s.discovers, Hosts: gates.On(features.Host), ClusterLocal: gates.On(features.ClusterLocal)})
	s.paused.set(c.pauses()) // before auto-export learns that it is off
	s.auto.set(c.autoExport)
	s.speaking.set(c.stance())
	s.withdrawn.set(c.withholding.Phase() == state.Outside)
	s.left.set(c.leaving.Phase() == state.Outside)
	s.course.set(c)
	return turned, changed
}

// drainAs makes the importer drain the other clusters that an annotation names, and lets the exporter tell the others if
// this one is among them.
func (s *steering) drainAs(text string) {
	if text == s.drains {
		return
	}
	s.drains = text
	list, wrong := state.ParseDrains(text)
	for _, err := range wrong {
		s.log.Warn("a part of an annotation is not understood, and left out", "annotation", state.DrainAnnotation, "error", err)
	}
	own := list[s.self]
	delete(list, s.self)
	s.importer.Drain(list)
	s.drain.set(own)
}

// tell logs what became of withholding.
func (s *steering) tell(before, now state.Phase) {
	switch {
	case now == before:
	case now == state.Outside:
		s.log.Info("nothing is exported or imported any more: MCSServiceDiscovery is off", "unconfirmed_by", s.departure.missed())
	case before == state.Outside:
		s.log.Info("this cluster exports and imports again")
	}
}

// noteFreeze writes down as the leader since when what is imported is frozen, until ctx ends.
func (m *member) noteFreeze(ctx context.Context) error {
	for ctx.Err() == nil {
		lead, done, _, err := m.election.Lead(ctx)
		if err != nil {
			return nil
		}
		m.noteFreezeOnce(lead)
		done()
	}
	return nil
}

// noteFreezeOnce returns when there may be something else to note, or this agent may not write any more. A freeze is noted
// once it is in what this agent serves.
func (m *member) noteFreezeOnce(lead context.Context) {
	c, changed := m.steering.course.now()
	view := m.importer.View()
	if view.Frozen != c.frozen() {
		select {
		case <-view.Replaced():
		case <-changed:
		case <-lead.Done():
		}
		return
	}
	var err error
	switch noted := !c.freeze.Since.IsZero(); {
	case c.frozen() && !noted:
		m.log.Warn("what is imported of other clusters stays as it is, as a person asked: whatever they say, and whether they are heard", "annotation", state.FreezeAnnotation, "configmap", m.options.Namespace+"/"+state.DefaultName)
		err = m.keeper.SetFrozen(lead, time.Now())
	case !c.frozen() && noted:
		m.log.Info("what is imported of other clusters follows them again")
		err = m.keeper.SetFrozen(lead, time.Time{})
	}
	m.settleFor(lead, changed, err, "whether what is imported is frozen; it is as was asked in any case")
}

// settleFor waits after something was written down, or could not be, until there may be something else to do.
func (m *member) settleFor(lead context.Context, changed <-chan struct{}, err error, what string) {
	var again <-chan time.Time
	m.unwritten.of(what, err)
	if err != nil && lead.Err() == nil {
		m.log.Warn("something cannot be written down, and is tried again", "what", what, "again_in", departurePause, "error", m.blameCluster(err))
		again = time.After(departurePause)
	}
	select {
	case <-changed:
	case <-again:
	case <-lead.Done():
	}
}

// unwritten is what could not be written into the ConfigMap that remembers, and why.
type unwritten struct {
	mu   sync.Mutex
	whys map[string]string
}

// of notes how writing something went.
func (u *unwritten) of(what string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.whys == nil {
		u.whys = map[string]string{}
	}
	if delete(u.whys, what); err != nil {
		u.whys[what] = err.Error()
	}
}

// why returns one reason why something could not be written, "" if all was.
func (u *unwritten) why() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(u.whys)) {
		return u.whys[what]
	}
	return ""
}
