package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Discovery is what serves xDS. Its methods may be called from any goroutine.
type Discovery interface {
	// Address is where clients connect.
	Address() string
	// Domains are those of the hosts of the clusterset, and of this cluster's own Services, below svc.
	Domains() (clusterset, own string)
	// MaxClients is how many may be connected, and TurnedAway how often one more came so far.
	MaxClients() int
	TurnedAway() uint64
	// Clients are those that are connected to this agent, by ID and address, without the names that they subscribe to.
	Clients() []XDSClient
	// ClientsCalled are those of them that have an ID or address, with all these names.
	ClientsCalled(name string) []XDSClient
	// Quarantined are the resources that are not told to anybody, or not wholly, and why.
	Quarantined() map[string]string
	// Names returns how all resources of a type are called, in order. Of some an audience is told nothing.
	Names(XDSType) []string
	// Resource returns one as an audience is told it, nil if there is none. The error says why it is told nothing.
	Resource(XDSAudience, XDSType, string) (*XDSResource, error)
}

// XDSType is a type of resources, by the short name of the service that told it before there was one for all.
type XDSType string

// The types, in the order in which a client needs those of a new service.
const (
	CDS XDSType = "cds" // clusters
	EDS XDSType = "eds" // endpoints of clusters
	LDS XDSType = "lds" // listeners
	RDS XDSType = "rds" // routes
)

// XDSTypes are all types.
var XDSTypes = []XDSType{CDS, EDS, LDS, RDS}

// The kinds of clients, by what they understand.
const (
	KindEnvoy = "envoy"
	KindGRPC  = "grpc"
	KindOther = "other"
)

// XDSKinds are all kinds.
var XDSKinds = []string{KindEnvoy, KindGRPC, KindOther}

// XDSAudience is all of a client that bears on what it is told.
type XDSAudience struct {
	Kind   string `json:"kind"` // of XDSKinds
	Region string `json:"region"`
	Zone   string `json:"zone"`
	// Egress is where an Envoy's listener for HTTP is, as IP:port; "" for none.
	Egress string `json:"egress"`
}

// XDS answers /v1/xds: who is connected by xDS to the agent that answers. Other agents of its cluster have other clients.
type XDS struct {
	At      time.Time            `json:"at"`
	Cluster federation.ClusterID `json:"cluster"`
	Agent   string               `json:"agent"`
	Leads   bool                 `json:"leads"`
	Address string               `json:"address"` // where clients connect
	Clients []XDSClient          `json:"clients"`
	More    int                  `json:"more"` // how many clients are not listed
	// MaxClients is how many may be connected, and TurnedAway how often one more came since the agent started.
	MaxClients int    `json:"maxClients"`
	TurnedAway uint64 `json:"turnedAway"`
	// Quarantined are the resources that are not told to anybody, or not wholly, by their names.
	Quarantined []XDSQuarantined `json:"quarantined"`
}

// XDSQuarantined is a resource that is not told, or routes that are told without one host, because clients would refuse it and
// all that comes with it.
type XDSQuarantined struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// XDSClient is one client that is connected.
type XDSClient struct {
	ID       string      `json:"id"`    // of its node
	Group    string      `json:"group"` // that it calls itself a part of
	Software string      `json:"software"`
	Address  string      `json:"address"` // its end of the connection
	Since    time.Time   `json:"since"`
	Variant  string      `json:"variant"` // delta or sotw
	Audience XDSAudience `json:"audience"`
	// EgressFault is what is wrong with where an Envoy says that its listener is to be, "" for nothing.
	EgressFault string     `json:"egressFault"`
	Types       []XDSState `json:"types"`    // that it asked for
	Unserved    []string   `json:"unserved"` // types that it asked for and that are not served, by their full names
}

// The variants of the protocol.
const (
	VariantDelta = "delta" // what changed
	VariantSotW  = "sotw"  // the state of the world
)

// XDSState is what a client has of one type. A version of "0" is of nothing.
type XDSState struct {
	Type       XDSType  `json:"type"`
	Wildcard   bool     `json:"wildcard"` // it subscribes to all of the type
	Subscribed int      `json:"subscribed"`
	Missing    int      `json:"missing"`          // how many of these do not exist, for such a client
	Names      []string `json:"names,omitempty"`  // the first of those that it subscribes to, where one client is asked for
	Absent     []string `json:"absent,omitempty"` // the first of those of them that do not exist
	Sent       string   `json:"sent"`             // version of the last response
	Acked      string   `json:"acked"`            // version of the last response that it took
	Unanswered bool     `json:"unanswered"`       // the last response
	Waiting    int      `json:"waiting"`          // resources of which something newer waits until it answers
	NACKs      int      `json:"nacks"`            // responses that it refused
	LastNACK   *XDSNACK `json:"lastNACK"`         // null for none
}

// XDSNACK is a response that a client refused.
type XDSNACK struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Error   string    `json:"error"` // in the client's words
}

// XDSResource is one resource as it is told.
type XDSResource struct {
	Type    XDSType         `json:"type"`
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Message json.RawMessage `json:"message"` // of protobuf, in its JSON; null with a fault
	// Fault is why it is not told, as clients would refuse it; "" for one that is.
	Fault string `json:"fault,omitempty"`
	// Hint says of endpoints of which there are none where to look for the reason; "" for all else.
	Hint string `json:"hint,omitempty"`
}

// MaxXDSClients and maxXDSNames bound how many clients one answer lists, and how many names of a type for each.
const (
	MaxXDSClients = 5000
	maxXDSNames   = 1000
)

// errNone means that there is not what was asked for.
var errNone = errors.New("there is none")

var errNoXDS = none("this agent serves no xDS: it needs --xds-address and --xds-tls, which are the values xdsAddress and xdsTls of the chart")

// noneError is an error that is answered with 404.
type noneError struct{ text string }

func none(text string) error { return &noneError{text} }

func (e *noneError) Error() string { return e.text }

func (e *noneError) Is(target error) bool { return target == errNone }

// XDSClients returns the answer to /v1/xds: all clients, without the names that they subscribe to; or, with the first of them,
// those whose ID or address the query has.
func (s *Scene) XDSClients(q XDSQuery) (*XDS, error) {
	if s.XDS == nil {
		return nil, errNoXDS
	}
	answer := &XDS{
		At: utc(s.Now), Cluster: s.self(), Agent: s.Agent.Name, Leads: s.Agent.Leads, Address: s.XDS.Address(),
		MaxClients: s.XDS.MaxClients(), TurnedAway: s.XDS.TurnedAway(), Clients: []XDSClient{}, Quarantined: []XDSQuarantined{},
	}
	all := s.clients(q.Client)
	answer.Clients = append(answer.Clients, all[:min(len(all), MaxXDSClients)]...)
	answer.More = len(all) - len(answer.Clients)
	for _, c := range answer.Clients {
		for i := range c.Types {
			t := &c.Types[i]
			t.Names, t.Absent = t.Names[:min(len(t.Names), maxXDSNames)], t.Absent[:min(len(t.Absent), maxXDSNames)]
		}
	}
	quarantined := s.XDS.Quarantined()
	for _, name := range slices.Sorted(maps.Keys(quarantined)) {
		answer.Quarantined = append(answer.Quarantined, XDSQuarantined{name, quarantined[name]})
	}
	return answer, nil
}

// quarantine says what of xDS is not told, "" for nothing.
func (s *Scene) quarantine() string {
	if s.XDS == nil {
		return ""
	}
	all := s.XDS.Quarantined()
	if len(all) == 0 {
		return ""
	}
	first := slices.Min(slices.Collect(maps.Keys(all)))
	return fmt.Sprintf("xDS keeps back %s that clients would refuse: %s: %s", amount(len(all), "resource"), first, all[first])
}

// clients returns those of an ID or address with the names that they subscribe to, or all without.
func (s *Scene) clients(called string) []XDSClient {
	if called == "" {
		return s.XDS.Clients()
	}
	return s.XDS.ClientsCalled(called)
}
