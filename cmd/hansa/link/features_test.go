package link

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
)

type says = map[string]string

// Who asks for what is impossible is refused, in the agents' words and with the way out; the brake never is, whatever was
// asked for before, and nor is what others did.
func TestTurnsAreRefusedForWhatIsImpossible(t *testing.T) {
	on, off := new(true), new(false)
	const impossible = "=true by ConfigMap a/hansa-features needs MCSServiceDiscovery=true, which is off by ConfigMap a/hansa-features"
	for _, c := range []struct {
		about string
		data  says
		turns Turns
		want  string
	}{
		{"one gate alone", nil, Turns{features.AutoExport: on}, ""},
		{"the brake", says{"MCSAutoExport": "false", "MCSHost": "false"}, Turns{features.ServiceDiscovery: off}, ""},
		{"both at once", nil, Turns{features.ServiceDiscovery: off, features.AutoExport: on}, "MCSAutoExport" + impossible + "; nothing was written"},
		{"what needs the gate that is off", says{"MCSServiceDiscovery": "false"}, Turns{features.Host: on},
			"MCSHost" + impossible + "; nothing was written: run hansa features unset MCSServiceDiscovery first"},
		{"the brake while more is asked for", says{"MCSAutoExport": "true", "MCSHost": "true", "MCSClusterLocal": "false"}, Turns{features.ServiceDiscovery: off}, ""},
		{"a mistake of somebody else", says{"MCSServiceDiscovery": "false", "MCSAutoExport": "true", "x": "y"}, Turns{features.Host: off}, ""},
		{"to put it right", says{"MCSServiceDiscovery": "false", "MCSAutoExport": "true"}, Turns{features.AutoExport: nil}, ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			before := maps.Clone(c.data)
			err := c.turns.Check("a", c.data)
			if got := text(err); got != c.want || (err != nil) != errors.Is(err, ErrImpossible) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if !maps.Equal(c.data, before) {
				t.Errorf("the data became %v", c.data)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What nobody asked to be changed stays.
func TestTurnsTouchNothingElse(t *testing.T) {
	turns := Turns{features.Host: new(false), features.AutoExport: nil, features.ClusterLocal: nil}
	got := turns.on(says{"MCSAutoExport": "true", "MCSHost": "1", "mcshost": "x", "MCSServiceDiscovery": "t"})
	if want := (says{"MCSHost": "false", "mcshost": "x", "MCSServiceDiscovery": "t"}); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := turns.on(nil); !maps.Equal(got, says{"MCSHost": "false"}) {
		t.Errorf("of nothing %v", got)
	}
}

// raced returns a Target whose API server lets somebody else write data, nil to delete the ConfigMap, before our first write.
func raced(t *testing.T, before, data says) *Target {
	t.Helper()
	client := fake.NewClientset()
	all := client.Tracker()
	resource := corev1.SchemeGroupVersion.WithResource("configmaps")
	if err := all.Create(resource, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: state.DefaultName}}, "a"); err != nil {
		t.Fatal(err)
	}
	of := func(data says) runtime.Object {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: features.ConfigMap}, Data: data}
	}
	if before != nil {
		if err := all.Create(resource, of(before), "a"); err != nil {
			t.Fatal(err)
		}
	}
	first := true
	client.PrependReactor("*", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if !first || action.GetVerb() == "get" {
			return false, nil, nil
		}
		first = false
		switch {
		case before == nil:
			return true, nil, errors.Join(all.Create(resource, of(data), "a"), apierrors.NewAlreadyExists(resource.GroupResource(), features.ConfigMap))
		case data == nil:
			return true, nil, errors.Join(all.Delete(resource, "a", features.ConfigMap), apierrors.NewNotFound(resource.GroupResource(), features.ConfigMap))
		}
		if patch, ok := action.(clienttesting.PatchAction); !ok || !strings.Contains(string(patch.GetPatch()), `"resourceVersion"`) {
			t.Errorf("%v: want a patch of what was read alone", action)
		}
		return true, nil, errors.Join(all.Update(resource, of(data), "a"), apierrors.NewConflict(resource.GroupResource(), features.ConfigMap, nil))
	})
	return &Target{Context: "a", Namespace: "a", core: client}
}

// always chooses the same, whatever is there.
func always(turns Turns) func(map[string]string) (Turns, error) {
	return func(map[string]string) (Turns, error) { return turns, nil }
}

// What is taken out is what is there when it is written, and no more; who refuses writes nothing.
func TestTurnsAreChosenOfWhatIsThere(t *testing.T) {
	seen := 0
	everything := func(data map[string]string) (Turns, error) {
		seen++
		turns := Turns{}
		for key := range data {
			turns[features.Gate(key)] = nil
		}
		return turns, nil
	}
	target := raced(t, says{"x": "y"}, says{"mcshost": "true", "MCSHost": "false"})
	data, err := target.TurnGates(t.Context(), everything)
	if err != nil || len(data) > 0 || seen != 2 {
		t.Errorf("%v, %v after %d looks, want nothing after two", data, err, seen)
	}
	refusal := errors.New("no")
	if _, err := target.TurnGates(t.Context(), func(map[string]string) (Turns, error) { return nil, refusal }); !errors.Is(err, refusal) || err.Error() != "no" {
		t.Errorf("%v, want what was refused in its own words", err)
	}
}

// Where no agent has run nothing is written, and who may not see whether one has learns why.
func TestGatesAreTurnedOnlyWhereAnAgentHasRun(t *testing.T) {
	resource := corev1.Resource("configmaps")
	for want, answer := range map[string]error{
		"namespace a: no agent has run here, so there is no gate to turn: there is no ConfigMap hansa-state":                                                                           apierrors.NewNotFound(resource, state.DefaultName),
		`looking for ConfigMap hansa-state, in context "a": configmaps "hansa-state" is forbidden: no such right: use credentials that may do that, such as a cluster administrator's`: apierrors.NewForbidden(resource, state.DefaultName, errors.New("no such right")),
	} {
		client := fake.NewClientset()
		client.PrependReactor("get", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, answer })
		target := &Target{Context: "a", Namespace: "a", core: client}
		_, err := target.TurnGates(t.Context(), always(Turns{features.AutoExport: new(true)}))
		if text(err) != want || len(client.Actions()) != 1 {
			t.Errorf("%v after %v\nwant %s", err, client.Actions(), want)
		}
	}
}

// Each line that is wrong is told, with the way out.
func TestFaultsOfGates(t *testing.T) {
	got := GateFaults("a", says{"mcshost": "true", "MCSHost": "f", "MCSAutoExport": "flase=", "MCSClusterLocal": "1"})
	want := []string{
		`ConfigMap a/hansa-features: gate MCSAutoExport: value "flase=": want true or false; hansa features unset MCSAutoExport takes it out`,
		`ConfigMap a/hansa-features: gate "mcshost" is not known: want MCSServiceDiscovery, MCSHost, MCSClusterLocal, MCSAutoExport; hansa features unset mcshost takes it out`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// Of two who turn gates at once each takes account of what the other wrote.
func TestTurnsTakeAccountOfWhoWritesAtOnce(t *testing.T) {
	on := new(true)
	for _, c := range []struct {
		about        string
		before, data says
		want         says
		fault        string
	}{
		{"another gate", says{"x": "y"}, says{"x": "z", "MCSHost": "false"}, says{"x": "z", "MCSHost": "false", "MCSAutoExport": "true"}, ""},
		{"the same", says{"x": "y"}, says{"MCSAutoExport": "true"}, says{"MCSAutoExport": "true"}, ""},
		{"one that makes it impossible", says{"x": "y"}, says{"MCSServiceDiscovery": "false"}, says{"MCSServiceDiscovery": "false"}, "nothing was written"},
		{"who makes it", nil, says{"MCSHost": "false"}, says{"MCSHost": "false", "MCSAutoExport": "true"}, ""},
		{"who deletes it", says{"x": "y"}, nil, says{"MCSAutoExport": "true"}, ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			target := raced(t, c.before, c.data)
			_, err := target.TurnGates(t.Context(), always(Turns{features.AutoExport: on}))
			if (err == nil) != (c.fault == "") || !strings.Contains(text(err), c.fault) {
				t.Errorf("%v, want %s", err, c.fault)
			}
			cm, err := target.core.CoreV1().ConfigMaps("a").Get(t.Context(), features.ConfigMap, metav1.GetOptions{})
			if err != nil || !maps.Equal(cm.Data, c.want) {
				t.Errorf("%v, %v, want %v", cm.Data, err, c.want)
			}
		})
	}
}
