package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestARangeIsAPrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.96.0.0/12":        "10.96.0.0/12",
		"10.96.0.1/12":        "10.96.0.0/12", // as API servers take it
		"192.0.2.7/32":        "192.0.2.7/32",
		"fd00:10:96::/112":    "fd00:10:96::/112",
		"FD00:10:96:0::1/112": "fd00:10:96::/112",
		"":                    "",
		"10.96.0.0":           "",
		"10.96.0.0/33":        "",
		"010.96.0.0/12":       "",
		" 10.96.0.0/12":       "",
		"fe80::%eth0/64":      "",
		"::ffff:10.0.0.0/104": "", // which would hold no address at all
		"kubernetes":          "",
	} {
		got, err := parseRange(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v (%v), want %q", text, got, err, want)
		}
	}
}

// cidr is a ServiceCIDR.
func cidr(name string, ranges ...string) *networkingv1.ServiceCIDR {
	return &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: ranges}}
}

func TestTheRangesAreThoseOfTheFlagAndOfTheObjects(t *testing.T) {
	for _, test := range []struct {
		what    string
		flag    []string
		objects []any
		want    string
	}{
		{"nothing", nil, nil, "[]"},
		{"an object without ranges", nil, []any{cidr("empty")}, "[]"},
		{"the flag alone", []string{"fd00::/112", "10.96.0.0/16"}, nil, "[10.96.0.0/16 fd00::/112]"},
		{"both families of one object", nil, []any{cidr("kubernetes", "fd00::/112", "10.96.0.0/16")}, "[10.96.0.0/16 fd00::/112]"},
		{"both sources", []string{"172.20.0.0/16"}, []any{cidr("kubernetes", "10.96.0.0/16")}, "[10.96.0.0/16 172.20.0.0/16]"},
		{"the same from both", []string{"10.96.0.0/16"}, []any{cidr("kubernetes", "10.96.0.0/16")}, "[10.96.0.0/16]"},
		{
			"ranges in others", []string{"10.96.128.0/17", "10.97.0.0/16"},
			[]any{cidr("b", "10.96.0.0/24"), cidr("a", "10.96.0.0/16"), cidr("c", "10.98.0.0/16")},
			"[10.96.0.0/16 10.97.0.0/16 10.98.0.0/16]",
		},
		{"one that cannot be read beside one that can", nil, []any{cidr("odd", "10.96/16", "10.97.0.0/16")}, "[10.97.0.0/16]"},
		{"what is no ServiceCIDR", nil, []any{&metav1.Status{}, nil}, "[]"},
	} {
		t.Run(test.what, func(t *testing.T) {
			r := rangesOf(t, &rest.Config{}, slog.New(slog.DiscardHandler), test.flag...)
			alone := fmt.Sprint(*r.now.Load())
			r.take([]any{cidr("first", "192.0.2.0/24")}) // and it goes
			r.take(test.objects)
			if got := fmt.Sprint(*r.now.Load()); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			r.take(nil)
			if got := fmt.Sprint(*r.now.Load()); got != alone {
				t.Errorf("without objects %s, want %s", got, alone)
			}
		})
	}
}

func TestWhichAddressesAreOurOwn(t *testing.T) {
	r := rangesOf(t, &rest.Config{}, slog.New(slog.DiscardHandler), "10.96.0.0/12", "fd00:10:96::/112")
	r.take([]any{cidr("more", "192.0.2.128/25")})
	for address, want := range map[string]bool{
		"10.95.255.255":           false,
		"10.96.0.0":               true,
		"10.96.0.1":               true,
		"10.111.255.255":          true,
		"10.112.0.0":              false,
		"::ffff:10.96.0.1":        true, // the kernel takes it for IPv4
		"::ffff:10.112.0.1":       false,
		"::10.96.0.1":             false,
		"192.0.2.127":             false,
		"192.0.2.128":             true,
		"fd00:10:96::":            true,
		"fd00:10:96::ffff":        true,
		"fd00:10:96::1:0":         false,
		"fd00:10:96::1%eth0":      true,
		"::ffff:192.0.2.129%eth0": true,
		"fd00:10:97::1":           false,
	} {
		if got := r.Own(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: own %t, want %t", address, got, want)
		}
	}
	if r.Own(netip.Addr{}) {
		t.Error("no address at all is ours")
	}
	none := rangesOf(t, &rest.Config{}, slog.New(slog.DiscardHandler))
	if none.Own(netip.MustParseAddr("10.96.0.1")) || none.Own(netip.IPv6Unspecified()) {
		t.Error("without ranges something is ours")
	}
}

// An API server that never comes to answer keeps nobody waiting for ever, and is said to.
func TestRangesAreNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(told, 10)
		r := rangesOf(t, &rest.Config{}, slog.New(slog.NewTextHandler(log, nil)))
		began := time.Now()
		go r.await(t.Context(), nil)
		<-r.Known()
		if waited := time.Since(began); waited != forRanges {
			t.Errorf("known after %s", waited)
		}
		log.awaits(t, errNoAnswer.Error())
	})
}

// Who ends before anything is known says nothing of it.
func TestRangesThatEndAreNotKnown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := rangesOf(t, &rest.Config{}, slog.New(slog.DiscardHandler))
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.Known():
		t.Error("known")
	default:
	}
}

// station is an API server that lists ServiceCIDRs once, if it has any, and else answers with an error.
type station struct {
	mu     sync.Mutex
	list   *networkingv1.ServiceCIDRList
	reason metav1.StatusReason
	code   int
}

func (s *station) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if s.list != nil && r.URL.Path == "/apis/networking.k8s.io/v1/servicecidrs" && r.URL.Query().Get("watch") == "" {
		_ = json.NewEncoder(w).Encode(s.list)
		s.list = nil
		return
	}
	w.WriteHeader(s.code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(s.code), Reason: s.reason, Message: "no " + string(s.reason),
	})
}

// What cannot be read is said once, with what helps, and the ranges of the flag stand in.
func TestTheFlagStandsInForWhatCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		what   string
		server *station
		want   string
	}{
		{"not served", &station{reason: metav1.StatusReasonNotFound, code: http.StatusNotFound}, errNotServed.Error()},
		{"forbidden", &station{reason: metav1.StatusReasonForbidden, code: http.StatusForbidden}, "docs/roles.yaml"},
	} {
		t.Run(test.what, func(t *testing.T) {
			unleaked(t)
			server := httptest.NewServer(test.server)
			t.Cleanup(server.Close)
			r, log := watched(t, &rest.Config{Host: server.URL}, "172.20.0.0/16")
			<-r.Known()
			if !r.Own(netip.MustParseAddr("172.20.0.1")) || r.Own(netip.MustParseAddr("10.96.0.1")) {
				t.Errorf("the ranges are %v", *r.now.Load())
			}
			line := log.awaits(t, "--service-cidrs")
			for _, want := range []string{"level=WARN", test.want, "172.20.0.0/16"} {
				if !strings.Contains(line, want) {
					t.Errorf("the log does not say %q: %s", want, line)
				}
			}
			r.miss(errNoAnswer)
			if len(log) > 0 {
				t.Errorf("the log goes on: %s", <-log)
			}
		})
	}
}

// Ranges stay ours while we cannot read whether they are: addresses in them go on being in use.
func TestRangesOutliveTheRightToReadThem(t *testing.T) {
	unleaked(t)
	list := &networkingv1.ServiceCIDRList{
		TypeMeta: metav1.TypeMeta{Kind: "ServiceCIDRList", APIVersion: networkingv1.SchemeGroupVersion.String()},
		ListMeta: metav1.ListMeta{ResourceVersion: "1"},
		Items:    []networkingv1.ServiceCIDR{*cidr("kubernetes", "10.96.0.0/16")},
	}
	server := httptest.NewServer(&station{list: list, reason: metav1.StatusReasonForbidden, code: http.StatusForbidden})
	t.Cleanup(server.Close)
	r, log := watched(t, &rest.Config{Host: server.URL})
	<-r.Known()
	log.awaits(t, "cannot read this cluster's ServiceCIDRs")
	if !r.Own(netip.MustParseAddr("10.96.0.1")) {
		t.Errorf("the ranges are %v", *r.now.Load())
	}
}

func rangesOf(t *testing.T, c *rest.Config, log *slog.Logger, flag ...string) *serviceRanges {
	t.Helper()
	r, err := newServiceRanges(c, flag, log)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// watched returns ranges that are watched until the test ends, and what they log.
func watched(t *testing.T, c *rest.Config, flag ...string) (*serviceRanges, told) {
	t.Helper()
	log := make(told, 100)
	r := rangesOf(t, c, slog.New(slog.NewTextHandler(log, nil)), flag...)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r, log
}

// unleaked fails the test if something that it starts from here on outlives it.
func unleaked(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	klog := goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1")
	t.Cleanup(func() { goleak.VerifyNone(t, before, klog) })
}

// told are the lines of a log as they come.
type told chan string

func (w told) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// awaits returns the next line that has words.
func (w told) awaits(t *testing.T, words string) string {
	t.Helper()
	for {
		select {
		case line := <-w:
			if strings.Contains(line, words) {
				return line
			}
		case <-t.Context().Done():
			t.Fatalf("the log never says %q", words)
		}
	}
}
