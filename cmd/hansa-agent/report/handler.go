package report

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// The paths of the answers.
const (
	PathStatus    = "/v1/status"
	PathClusters  = "/v1/clusters"
	PathServices  = "/v1/services"
	PathEndpoints = "/v1/endpoints"
	PathExplain   = "/v1/explain"
	PathFeatures  = "/v1/features"
	PathXDS       = "/v1/xds"
	PathResources = "/v1/xds/resources"
)

// Gatekeeper decides who may read.
type Gatekeeper interface {
	// Admit returns nil for who may read. An error that wraps ErrUnknown is answered with 401, another one with 403; its
	// text is told, so it must not say more than a stranger may know.
	Admit(r *http.Request) error
}

// ErrUnknown means that it is not known who asks.
var ErrUnknown = errors.New("it is not known who asks")

// Local is the Gatekeeper of what is in the clear: from this machine's own addresses, such as by a port-forward, anybody
// may ask, and from others nobody.
var Local Gatekeeper = local{}

type local struct{}

// errStranger is what others are told by Local.
var errStranger = errors.New("want to be asked on this machine's own address, as by a port-forward, or with this cluster's certificate at the address where other members connect")

// Admit implements Gatekeeper.
func (local) Admit(r *http.Request) error {
	if !isLocal(r) {
		return errStranger
	}
	return nil
}

// busy bounds how many answers are made at once; who comes then waits.
const busy = 4

// server answers what is asked of an agent.
type server struct {
	scene func(now time.Time) *Scene
	gate  Gatekeeper
	turns chan struct{}
}

// Handler answers GET requests from Scenes, in JSON, of whom the gate admits. It changes nothing. What an answer costs is
// bounded, and so is how many are made at once; connections and the time they may take are the server's to bound.
func Handler(scene func(now time.Time) *Scene, gate Gatekeeper) http.Handler {
	s := &server{scene: scene, gate: gate, turns: make(chan struct{}, busy)}
	mux := http.NewServeMux()
	mux.Handle(PathStatus, s.answer(func(scene *Scene, q Query) (any, error) { return scene.Status(), q.nothing() }))
	mux.Handle(PathClusters, s.answer(func(scene *Scene, q Query) (any, error) { return scene.Clusters(), q.nothing() }))
	mux.Handle(PathFeatures, s.answer(func(scene *Scene, q Query) (any, error) { return scene.Features(), q.nothing() }))
	mux.Handle(PathServices, s.answer(func(scene *Scene, q Query) (any, error) { return scene.Services(q), nil }))
	mux.Handle(PathEndpoints, s.answer(func(scene *Scene, q Query) (any, error) { return scene.Endpoints(q), nil }))
	mux.Handle(PathExplain, s.answer(func(scene *Scene, q Query) (any, error) {
		if q.Name == "" {
			return nil, errors.New("want namespace and name of a service")
		}
		return scene.Explain(federation.ServiceName{Namespace: q.Namespace, Name: q.Name}), nil
	}))
	mux.Handle(PathXDS, asked(s, ParseXDSQuery, func(scene *Scene, q XDSQuery) (any, error) {
		if err := q.onlyClient(); err != nil {
			return nil, err
		}
		return scene.XDSClients(q)
	}))
	mux.Handle(PathResources, asked(s, ParseXDSQuery, func(scene *Scene, q XDSQuery) (any, error) { return scene.XDSResources(q) }))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, errors.New("there is no such answer: want one of "+strings.Join(paths, ", ")))
	})
	return s.guard(mux)
}

// paths are all that there are.
var paths = []string{PathStatus, PathClusters, PathServices, PathEndpoints, PathExplain, PathFeatures, PathXDS, PathResources}

// nothing refuses what an answer does not heed.
func (q Query) nothing() error {
	if q != (Query{}) {
		return errors.New("this answer takes no parameters")
	}
	return nil
}

// guard lets in who may read, to read. Who may not is not waited for once it is told.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.gate.Admit(r); errors.Is(err, ErrUnknown) {
			w.Header().Set("Connection", "close")
			refuse(w, http.StatusUnauthorized, err)
		} else if err != nil {
			w.Header().Set("Connection", "close")
			refuse(w, http.StatusForbidden, err)
		} else if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			refuse(w, http.StatusMethodNotAllowed, errors.New("want GET: nothing can be changed here"))
		} else {
			next.ServeHTTP(w, r)
		}
	})
}

// isLocal reports whether a request comes from this machine to itself, and knows that it does: a page in a browser here
// can be made to ask for a name that somebody lets point to us.
func isLocal(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return isLoopback(local.String()) && isLoopback(r.RemoteAddr) && IsLocal(host)
}

// IsLocal reports whether a host names the machine that it is said on.
func IsLocal(host string) bool { return host == "localhost" || loopback(host) }

func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	return err == nil && loopback(host)
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// answer serves one kind of answer about services, or about all.
func (s *server) answer(of func(*Scene, Query) (any, error)) http.Handler {
	return asked(s, ParseQuery, of)
}

// asked serves one kind of answer, to what parse reads of a URL.
func asked[Q any](s *server, parse func(url.Values) (Q, error), of func(*Scene, Q) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := parse(r.URL.Query())
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		answer, err := s.make(r, func(scene *Scene) (any, error) { return of(scene, q) })
		switch {
		case errors.Is(err, errNone):
			refuse(w, http.StatusNotFound, err)
		case err != nil:
			refuse(w, http.StatusBadRequest, err)
		case answer != nil:
			write(w, http.StatusOK, answer)
		} // else nobody waits for it
	})
}

// make returns the text of an answer once it is its turn, nil if who asks has gone by then. Who reads slowly takes up
// nobody's turn.
func (s *server) make(r *http.Request, of func(*Scene) (any, error)) ([]byte, error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-r.Context().Done():
		return nil, nil
	}
	answer, err := of(s.scene(time.Now()))
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// refusal is what is answered instead.
type refusal struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, code int, err error) {
	text, _ := json.Marshal(refusal{err.Error()}) // a string always can be
	write(w, code, text)
}

func write(w http.ResponseWriter, code int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}
