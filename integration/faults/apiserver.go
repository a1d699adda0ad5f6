package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// misbehavior says what an API server does wrong; the zero value is none.
type misbehavior struct {
	fail         int           // of a hundred requests, as many are answered 409, 429 or 500
	hang         int           // of a hundred, as many are not answered for a while, and then by 504
	closeWatches time.Duration // after which watches end; 0 for never
	forget       int           // of a hundred watches, as many are told that their resource version is too old
}

// faultyAPI passes requests on to an API server, as it is told to misbehave.
type faultyAPI struct {
	listener net.Listener
	server   *http.Server
	proxy    *httputil.ReverseProxy
	serving  sync.WaitGroup

	mu    sync.Mutex
	does  misbehavior
	count map[string]int // of each thing done wrong
}

func newFaultyAPI(to *rest.Config) (*faultyAPI, error) {
	target, err := url.Parse(to.Host)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(to.CAData)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &faultyAPI{listener: listener, count: map[string]int{}}
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Header.Set("Authorization", "Bearer "+to.BearerToken)
		},
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 100},
		FlushInterval: -1, // watches
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	f.serving.Go(func() { _ = f.server.Serve(listener) })
	return f, nil
}

func (f *faultyAPI) stop() {
	_ = f.server.Close()
	f.serving.Wait()
}

func (f *faultyAPI) set(m misbehavior) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.does = m
}

// luck decides about one request.
func (f *faultyAPI) luck(watch bool) (m misbehavior, what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch n := rand.IntN(100); {
	case watch && n < f.does.forget:
		what = "forget"
	case watch:
	case n < f.does.fail:
		what = "fail"
	case n < f.does.fail+f.does.hang:
		what = "hang"
	}
	if what != "" {
		f.count[what]++
	}
	return f.does, what
}

// hangTime is how long a request hangs.
const hangTime = 8 * time.Second

// ServeHTTP passes a request on, or not.
func (f *faultyAPI) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	watch := request.URL.Query().Get("watch") != ""
	does, what := f.luck(watch)
	switch what {
	case "forget":
		refuse(w, http.StatusGone, "Expired", "too old resource version")
	case "fail":
		fail(w)
	case "hang":
		sleep(request.Context(), hangTime)
		refuse(w, http.StatusGatewayTimeout, "Timeout", "timed out on purpose")
	default:
		if watch && does.closeWatches > 0 {
			ctx, cancel := context.WithTimeout(request.Context(), does.closeWatches)
			defer cancel()
			request = request.WithContext(ctx)
		}
		defer func() { _ = recover() }() // http.ErrAbortHandler, when a watch is closed
		f.proxy.ServeHTTP(w, request)
	}
}

// fail answers one of several errors.
func fail(w http.ResponseWriter) {
	switch rand.IntN(3) {
	case 0:
		refuse(w, http.StatusConflict, "Conflict", "the object has been modified on purpose")
	case 1:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, "TooManyRequests", "too many requests on purpose")
	default:
		refuse(w, http.StatusInternalServerError, "InternalError", "broken on purpose")
	}
}

// refuse answers as API servers do.
func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
}

// misbehaves tells the API server of the fault what to do wrong from now on.
func misbehaves(m misbehavior) step {
	return func(_ context.Context, r *run) error {
		r.api.set(m)
		r.api.mu.Lock()
		defer r.api.mu.Unlock()
		if m == (misbehavior{}) {
			r.tell("requests that the API server failed, left hanging, and watches whose past it forgot: %v", r.api.count)
			if r.api.count["fail"] == 0 || r.api.count["hang"] == 0 {
				return errors.New("it did nothing wrong")
			}
		}
		return nil
	}
}

// faultyKubeconfig returns a kubeconfig by which an agent reaches its API server through one that misbehaves.
func (r *run) faultyKubeconfig(path string) (string, error) {
	if r.api == nil {
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			return "", err
		}
		if r.api, err = newFaultyAPI(config); err != nil {
			return "", err
		}
	}
	config := api.NewConfig()
	config.CurrentContext = clusterset.Name
	config.Clusters[clusterset.Name] = &api.Cluster{Server: "http://" + r.api.listener.Addr().String()}
	config.AuthInfos[clusterset.Name] = &api.AuthInfo{}
	config.Contexts[clusterset.Name] = &api.Context{Cluster: clusterset.Name, AuthInfo: clusterset.Name}
	faulty := filepath.Join(r.dir, "kubeconfig")
	return faulty, clientcmd.WriteToFile(*config, faulty)
}
