package report

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hansa-mcs/hansa/federation"
)

func TestQueriesSurviveTheirURL(t *testing.T) {
	for _, q := range []Query{
		{},
		{Namespace: "shop"},
		{Namespace: "shop", Name: "web", Limit: 3},
		{After: Cursor{Service: federation.ServiceName{Namespace: "shop", Name: "web"}}},
		{After: Cursor{Service: federation.ServiceName{Namespace: "shop", Name: "web"}, Skip: 5000}, Limit: 1},
	} {
		if got, err := ParseQuery(q.Values()); err != nil || got != q {
			t.Errorf("%+v became %+v: %v", q, got, err)
		}
	}
}

func TestWrongQueriesAreRefusedInWords(t *testing.T) {
	for text, want := range map[string]string{
		"colour=red":               `unknown parameter "colour": want namespace, name, after or limit`,
		"limit=0":                  `limit="0": want a number from 1`,
		"limit=many":               `limit="many": want a number from 1`,
		"limit=1&limit=2":          `limit="2": given several times: want it once`,
		"name=web":                 `name="web": want a namespace too`,
		"namespace=Shop":           `namespace "Shop": want an RFC 1123 label`,
		"namespace=shop&name=a.b":  `service name "a.b": want an RFC 1123 label`,
		"after=shop":               `after="shop": want what an answer had as next`,
		"after=shop/web/-1":        `after="shop/web/-1": want what an answer had as next`,
		"after=shop/web/1/2":       `after="shop/web/1/2": want what an answer had as next`,
		"after=Shop/web":           `after="Shop/web": want what an answer had as next`,
		"after=shop/web/1e3":       `after="shop/web/1e3": want what an answer had as next`,
		"after=" + longText + "/x": `after="` + longText[:100] + `": want what an answer had as next`,
	} {
		v, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseQuery(v); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

var longText = strings.Repeat("x", 2000)

// However an answer is cut, its parts are the whole, each endpoint once and in order; a service may be cut too.
func TestPartsOfAnAnswerAreTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scene := tell(t, "east", `
			fill west 4 3
			export north shop/s-2 endpoints=10.3.0.1
			export north aaa/web endpoints=10.3.0.2
			announce 1
			namespace shop
			say west 1.1
			say north 1.1
			hear west north
			pass 1s`)
		whole := scene.Endpoints(Query{})
		if len(whole.Endpoints) != 14 || whole.Next != "" {
			t.Fatalf("%d endpoints, next %q", len(whole.Endpoints), whole.Next)
		}
		for limit := 1; limit <= 15; limit++ {
			var services, endpoints []string
			err := pages(Query{Limit: limit}, func(q Query) (string, int, error) {
				q.Limit = limit
				part := scene.Endpoints(q)
				for _, ep := range part.Endpoints {
					endpoints = append(endpoints, fmt.Sprint(ep.Service, ep.Cluster, ep.Address))
				}
				if len(part.Endpoints) > limit || part.Next != "" && len(part.Endpoints) < limit {
					t.Errorf("%d endpoints of %d, next %q", len(part.Endpoints), limit, part.Next)
				}
				return part.Next, 0, nil
			})
			if err != nil || !slices.Equal(endpoints, mapped(whole.Endpoints, func(ep Endpoint) string { return fmt.Sprint(ep.Service, ep.Cluster, ep.Address) })) {
				t.Errorf("by %d: %v, %v", limit, endpoints, err)
			}
			err = pages(Query{}, func(q Query) (string, int, error) {
				q.Limit = limit
				part := scene.Services(q)
				services = append(services, mapped(part.Services, func(s Service) string { return s.Namespace + "/" + s.Name })...)
				return part.Next, len(part.Services), nil
			})
			if want := []string{"aaa/web", "shop/s-0", "shop/s-1", "shop/s-2", "shop/s-3"}; err != nil || !slices.Equal(services, want) {
				t.Errorf("by %d: %v, %v, want %v", limit, services, err, want)
			}
		}
	})
}

// A service of more endpoints than one answer has is explained with as many as that, and the number of the others.
func TestExplanationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := exportOf("east", federation.ServiceName{Namespace: "shop", Name: "web"})
		for i := range MaxEndpoints + 7 {
			addEndpoint(e, federation.Endpoint{Address: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Conditions: federation.Ready})
		}
		e.Normalize()
		s := newStory("east", "")
		s.store.Announce(1, []*federation.Export{e})
		s.scene.View = s.importer.View()
		x := s.scene.Explain(e.Name)
		if len(x.Endpoints) != MaxEndpoints || x.More != 7 || x.Service.Endpoints.Total != MaxEndpoints+7 {
			t.Errorf("%d endpoints and %d more of %d", len(x.Endpoints), x.More, x.Service.Endpoints.Total)
		}
	})
}

func mapped[A, B any](list []A, f func(A) B) (out []B) {
	for _, a := range list {
		out = append(out, f(a))
	}
	return out
}
