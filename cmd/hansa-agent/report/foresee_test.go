package report

import (
	"encoding/json"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Of what is said of a service one can conclude, wherever it is read, what this cluster concludes, and what would follow
// if one more cluster exported it.
func TestAnExplanationTellsWhatWouldFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scene := tell(t, "east", `
			export west shop/web days=9 type=Headless endpoints=10.2.0.1
			export north shop/web days=5 port=grpc:81 for=west,east endpoints=10.3.0.1
			export south shop/web days=99 port=old:82 endpoints=10.4.0.1
			deny south=shop
			announce 1
			namespace shop
			say west 1.1
			say north 1.1
			say south 1.1
			hear west north south
			pass 1s`)
		name := federation.ServiceName{Namespace: "shop", Name: "web"}
		text, err := json.Marshal(scene.Explain(name))
		if err != nil {
			t.Fatal(err)
		}
		var read Explanation
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		exports, want := read.Federation(), scene.View.Service(name)
		got := importer.Merge(exports)
		if got.Type != want.Type || !reflect.DeepEqual(got.Ports, want.Ports) || !reflect.DeepEqual(got.Conflicts, want.Conflicts) || len(want.Conflicts) != 2 {
			t.Errorf("concluded %+v, want %+v", got, want)
		}
		more := exportOf("east", name)
		more.Created = more.Created.Add(-1000 * time.Hour)
		if got := importer.Merge(append(exports, more)); got.Type != federation.ClusterSetIP {
			t.Errorf("with the oldest export of all: %+v", got)
		}
	})
}

// Policies can be read back from an answer, and a rule that is none is told.
func TestPoliciesSurviveAnAnswer(t *testing.T) {
	want := federation.Namespaces{
		Allow: []federation.NamespaceRule{{Cluster: "*", Namespace: "shop-*"}},
		Deny:  []federation.NamespaceRule{{Cluster: "west", Namespace: "shop-x"}, {Cluster: "*", Namespace: "kube-*"}},
	}
	if got, err := rules(want).Namespaces(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v: %v", got, err)
	}
	if _, err := (Rules{Deny: []string{"Shop"}}).Namespaces(); err == nil {
		t.Error("a rule that is none is taken")
	}
}
