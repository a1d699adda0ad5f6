package report

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/importer"
)

// epoch is when stories begin: within a synctest bubble, so that every time is the same each time.
var epoch = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// story is a clusterset as one agent sees it, told line by line.
type story struct {
	store    *federation.Store
	importer *importer.Importer
	heard    []federation.ClusterID // each second
	exports  map[federation.ClusterID]map[federation.ServiceName]*federation.Export
	versions map[federation.ClusterID]federation.Version
	held     []importer.Held
	scene    Scene
}

// tell plays a story in the present bubble, of which it uses the clock, and returns what the agent knows in the end. The
// lines are
//
//	export <cluster> <namespace/name> [fact=value]...   as one cluster says from now on, once it says anything
//	fill <cluster> <services> <endpoints>               exports s-0, s-1 … of namespace shop, with so many endpoints each
//	own <namespace/name> [fact=value]...                a Service of this cluster, exported or not
//	empty <cluster>                                     ends all that it exports
//	say <cluster> <term.seq>                            tells all that it exports, and is heard
//	set <namespace/name> [fact=value]...                changes one thing that this cluster exports
//	spoil <cluster> <term.seq> <namespace/name>         tells a word on a service that cannot be read
//	announce <term>                                     so for this cluster, as its leader
//	restore <cluster>                                   remembers what it exports from before the start
//	leave <cluster>                                     leaves the clusterset
//	hear <cluster>..., lose <cluster>...                who is heard each second from now on, or not any more
//	stream <cluster> <acked term.seq> <theirs term.seq> is up since now; down <cluster> <reason> ends it
//	refuse <cluster> <reason>                           a record of it
//	gossip <cluster> <address> <term.seq>               of a cluster that others hear; - for an address that nobody knows
//	remember <cluster> <address> <ago>                  from before the start
//	namespace <name>..., ip <namespace/name> <address>, families <family>: facts of this cluster
//	deny <rule>, admit <rule>                           of import; withhold <rule> of export
//	never                                               are endpoints withdrawn
//	blocked <namespace/name> <reason>
//	standby, suspended, waiting <reason>, departure <word>
//	gate <name> <on or off> <origin> [<where>]          stands so since now; idle <why> is of the last one
//	fault <text>                                        of what was said of gates
//	freeze                                              what is imported, since now
//	auto <made> [<trouble>], select <namespaces> <services>, stay <pattern>...: of auto-export
//	xds                                                 is served, as newDiscovery says
//	pass <duration>
func tell(t *testing.T, self federation.ClusterID, text string) *Scene {
	t.Helper()
	time.Sleep(time.Until(epoch))
	s := newStory(self, text)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.importer.Start(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	s.importer.Open()
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := s.do(words[0], words[1:]); err != nil {
			t.Fatalf("line %d: %s: %v", n+1, line, err)
		}
		synctest.Wait()
	}
	s.scene.Now, s.scene.View, s.scene.Held = time.Now(), s.importer.View(), s.held
	return &s.scene
}

// newStory returns a story that has not begun. What policy says is known before.
func newStory(self federation.ClusterID, text string) *story {
	s := &story{
		store:    federation.NewStore(self),
		exports:  map[federation.ClusterID]map[federation.ServiceName]*federation.Export{},
		versions: map[federation.ClusterID]federation.Version{},
	}
	blocked := map[federation.ServiceName]string{}
	s.scene = Scene{
		Clusterset: "acme", Store: s.store, Patience: federation.DefaultPatience,
		AutoExport: AutoExport{ClusterDomain: "cluster.local", AgentNamespace: "hansa-system"},
		Agent:      Agent{Name: "agent-0", Build: "devel", Leads: true, Leader: &Leader{Name: "agent-0", Address: "10.0.0.10:8443", Since: epoch}},
		Gossip:     &Gossip{Addresses: map[federation.ClusterID]string{}, Seen: map[federation.ClusterID]federation.Version{}},
		Failures:   map[federation.ClusterID]stream.Failures{},
		Totals:     map[federation.ClusterID]stream.Stats{},
		Remembered: map[federation.ClusterID]Remembered{},
		Blocked:    func(n federation.ServiceName) string { return blocked[n] },
	}
	for line := range strings.Lines(text) {
		words := append(strings.Fields(line), "", "")
		rule, _ := federation.ParseNamespaceRule(words[1])
		switch words[0] {
		case "never":
			s.scene.Patience.Withdraw = 0
		case "deny":
			s.scene.Import.Deny = append(s.scene.Import.Deny, rule)
		case "admit":
			s.scene.Import.Allow = append(s.scene.Import.Allow, rule)
		case "withhold":
			s.scene.Export.Deny = append(s.scene.Export.Deny, rule)
		case "blocked":
			blocked[parseName(words[1])] = strings.Join(words[2:len(words)-2], " ")
		}
	}
	s.store.Withhold(s.scene.Export)
	s.importer = importer.New(s.store, importer.Config{
		Patience: s.scene.Patience, Admit: s.scene.Import, Holding: func(list []importer.Held) { s.held = list },
	})
	s.scene.Here = s.importer.Here
	return s
}

func (s *story) do(verb string, words []string) error {
	if slices.Contains([]string{"never", "deny", "admit", "withhold", "blocked"}, verb) {
		return nil
	}
	cluster, rest := federation.ClusterID(""), ""
	if len(words) > 0 {
		cluster, rest = federation.ClusterID(words[0]), strings.Join(words[1:], " ")
	}
	switch verb {
	case "export":
		e, err := parseExport(cluster, words[1], words[2:])
		s.of(cluster)[e.Name] = e
		return err
	case "fill":
		services, _ := strconv.Atoi(words[1])
		endpoints, _ := strconv.Atoi(words[2])
		for i := range services {
			e := exportOf(cluster, federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("s-%d", i)})
			for j := range endpoints {
				addEndpoint(e, federation.Endpoint{Address: netip.AddrFrom4([4]byte{10, 9, byte(i), byte(j)}), Conditions: federation.Ready | federation.Serving})
			}
			s.of(cluster)[e.Name] = e
		}
	case "empty":
		clear(s.of(cluster))
	case "say":
		s.versions[cluster] = parseVersion(words[1])
		s.store.Heard(cluster, time.Now())
		return federationtest.Say(s.store, cluster, s.versions[cluster], s.list(cluster)...)
	case "announce":
		term, err := strconv.ParseUint(words[0], 10, 64)
		s.store.Announce(term, s.list(s.store.Self()))
		return err
	case "set":
		e, err := parseExport(s.store.Self(), words[0], words[1:])
		e.Normalize()
		s.store.Set(e)
		return err
	case "own":
		e, err := parseExport(s.store.Self(), words[0], words[1:])
		s.importer.SetOwn(e.Name, e)
		return err
	case "spoil":
		return s.spoil(cluster, parseVersion(words[1]), parseName(words[2]))
	case "restore":
		s.store.Restore(cluster, s.list(cluster))
	case "leave":
		_, err := s.store.Apply(&federation.Update{Owner: cluster, To: federation.Version{Term: s.versions[cluster].Term, Seq: s.versions[cluster].Seq + 1}, Stale: s.store.Hashes(cluster), Left: true, Meant: true})
		return err
	case "hear":
		for _, w := range words {
			s.store.Heard(federation.ClusterID(w), time.Now())
			s.heard = append(s.heard, federation.ClusterID(w))
		}
	case "lose":
		s.heard = slices.DeleteFunc(s.heard, func(id federation.ClusterID) bool { return slices.Contains(words, string(id)) })
	case "pass":
		d, err := time.ParseDuration(words[0])
		s.pass(d)
		return err
	default:
		return s.know(verb, cluster, rest, words)
	}
	return nil
}

// spoil brings a record that cannot be read in the place of one that could, or of none.
func (s *story) spoil(cluster federation.ClusterID, to federation.Version, name federation.ServiceName) error {
	const hash = 7
	u := &federation.Update{Owner: cluster, From: s.versions[cluster], To: to, Unread: []federation.Unread{{Name: name, Hash: hash}}}
	u.Digest = s.store.Head(cluster).Digest + hash
	if e := s.of(cluster)[name]; e != nil {
		u.Digest -= federation.Digest(federation.Sealed(e).Hash)
	}
	s.versions[cluster] = to
	_, err := s.store.Apply(u)
	return err
}

// know takes what is known beside the Store.
func (s *story) know(verb string, cluster federation.ClusterID, rest string, words []string) error {
	switch verb {
	case "seeds":
		s.scene.Seeds = strings.Fields(string(cluster) + " " + rest)
	case "stream":
		s.scene.Streams = slices.DeleteFunc(s.scene.Streams, func(up stream.Up) bool { return up.Peer == cluster })
		s.scene.Streams = append(s.scene.Streams, stream.Up{
			Peer: cluster, Since: time.Now(), Heard: time.Now(), Dialer: s.store.Self(), Acked: federation.Head{Version: parseVersion(words[1])},
			Theirs: map[federation.ClusterID]federation.Head{cluster: {Version: parseVersion(words[2])}},
		})
		s.scene.Totals[cluster] = stream.Stats{Streams: 1, Sent: stream.Traffic{Bytes: 1200}, Received: stream.Traffic{Bytes: 3400, Records: 5, Patches: 6}, Refused: stream.Refused{Invalid: 1, Limit: 2}}
	case "down":
		s.scene.Streams = slices.DeleteFunc(s.scene.Streams, func(up stream.Up) bool { return up.Peer == cluster })
		f := s.scene.Failures[cluster]
		f.Stream = stream.Failure{At: time.Now(), Reason: rest}
		s.scene.Failures[cluster] = f
	case "refuse":
		f := s.scene.Failures[cluster]
		f.Record = stream.Failure{At: time.Now(), Reason: rest}
		s.scene.Failures[cluster] = f
	case "gossip":
		if words[1] != "-" {
			s.scene.Gossip.Addresses[cluster] = words[1]
		} else {
			delete(s.scene.Gossip.Addresses, cluster)
		}
		s.scene.Gossip.Seen[cluster] = parseVersion(words[2])
	case "remember":
		d, err := time.ParseDuration(words[2])
		s.store.Expect(cluster)
		s.scene.Remembered[cluster] = Remembered{Address: words[1], Heard: epoch.Add(-d)}
		return err
	case "namespace":
		for _, w := range words {
			s.importer.SetNamespace(w, true)
		}
	case "families":
		s.importer.SetFamilies([]federation.IPFamily{federation.IPFamily(words[0])})
	case "ip":
		s.importer.SetIPs(parseName(words[0]), []netip.Addr{netip.MustParseAddr(words[1])})
	case "standby":
		s.scene.Agent.Name, s.scene.Agent.Leads, s.scene.Gossip = "agent-1", false, nil
	case "suspended":
		s.scene.Agent.Suspended = true
	case "leaderless":
		s.scene.Agent.Leader = nil
	case "waiting":
		s.scene.Agent.Waiting = strings.Join(words, " ")
	case "departure":
		s.scene.Agent.Departure = words[0]
	default:
		return s.steer(verb, words)
	}
	return nil
}

// pass lets time go by, in which who is heard is heard each second.
func (s *story) pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		time.Sleep(min(d, time.Second))
		for _, id := range s.heard {
			s.store.Heard(id, time.Now())
		}
		synctest.Wait()
	}
}

func (s *story) of(cluster federation.ClusterID) map[federation.ServiceName]*federation.Export {
	if s.exports[cluster] == nil {
		s.exports[cluster] = map[federation.ServiceName]*federation.Export{}
	}
	return s.exports[cluster]
}

func (s *story) list(cluster federation.ClusterID) (list []*federation.Export) {
	for _, e := range s.of(cluster) {
		e.Normalize()
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *federation.Export) int { return a.Name.Compare(b.Name) })
	return list
}

func parseName(text string) federation.ServiceName {
	namespace, name, _ := strings.Cut(text, "/")
	return federation.ServiceName{Namespace: namespace, Name: name}
}

func parseVersion(text string) (v federation.Version) {
	if text == "-" {
		return v
	}
	_, _ = fmt.Sscanf(text, "%d.%d", &v.Term, &v.Seq)
	return v
}

// exportOf returns an export of port 80 without endpoints.
func exportOf(cluster federation.ClusterID, name federation.ServiceName) *federation.Export {
	return &federation.Export{
		Cluster: cluster, Name: name, Created: epoch.AddDate(0, 0, -1), Type: federation.ClusterSetIP,
		Ports:      []federation.Port{{Name: "http", Protocol: federation.TCP, Number: 80}},
		IPFamilies: []federation.IPFamily{federation.IPv4}, SessionAffinity: "None",
	}
}

func addEndpoint(e *federation.Export, ep federation.Endpoint) {
	if len(e.Subsets) == 0 {
		var targets []federation.TargetPort
		for _, p := range e.Ports {
			targets = append(targets, federation.TargetPort{Name: p.Name, Protocol: p.Protocol, Number: 8000 + p.Number})
		}
		e.Subsets = []federation.Subset{{Ports: targets}}
	}
	e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, ep)
}

// parseExport reads facts: type, port (name:number), days (how old), quiet (demote/withdraw), for (consumers) and
// endpoints, each address followed by ! for not ready, ~ for terminating.
func parseExport(cluster federation.ClusterID, name string, facts []string) (*federation.Export, error) {
	e := exportOf(cluster, parseName(name))
	for _, fact := range facts {
		key, value, _ := strings.Cut(fact, "=")
		switch key {
		case "type":
			e.Type = federation.ServiceType(value)
		case "port":
			name, number, _ := strings.Cut(value, ":")
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil {
				return e, err
			}
			e.Ports = []federation.Port{{Name: name, Protocol: federation.TCP, Number: uint16(n)}}
		case "udp":
			n, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return e, err
			}
			e.Ports = []federation.Port{{Protocol: federation.UDP, Number: uint16(n)}}
		case "days":
			n, err := strconv.Atoi(value)
			if err != nil {
				return e, err
			}
			e.Created = epoch.AddDate(0, 0, -n)
		case "quiet":
			demote, err := time.ParseDuration(value)
			if err != nil {
				return e, err
			}
			e.Quiet = federation.Quiet{Demote: federation.Delay{Given: true, After: demote}}
		case "for":
			e.Consumers = strings.Split(value, ",")
		case "endpoints":
			for text := range strings.SplitSeq(value, ",") {
				addEndpoint(e, parseEndpoint(text))
			}
		default:
			return e, fmt.Errorf("unknown fact %q", fact)
		}
	}
	return e, nil
}

func parseEndpoint(text string) federation.Endpoint {
	ep := federation.Endpoint{Zone: "z1", Region: "r1", Conditions: federation.Ready | federation.Serving}
	if address, found := strings.CutSuffix(text, "!"); found {
		text, ep.Conditions = address, 0
	}
	if address, found := strings.CutSuffix(text, "~"); found {
		text, ep.Conditions = address, federation.Serving|federation.Terminating
	}
	ep.Address = netip.MustParseAddr(text)
	return ep
}
