package state

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// TestOnAnAPIServer asks a real one what the others assume of it.
func TestOnAnAPIServer(t *testing.T) {
	l := labtest.Start(t, lab.Config{Clusters: []string{"east"}})
	config := l.Cluster("east").RESTConfig()
	for name, test := range map[string]func(*testing.T, func() *Keeper, corev1client.ConfigMapInterface){
		"two leaders never share a term":        raceForTerms,
		"the greatest state is stored":          storeTheGreatest,
		"what is broken by hand is repaired":    repair,
		"what cannot be written is told":        tellWhatCannotBe,
		"a write is for one version of it only": writeOneVersion,
		"what is deleted is written anew":       writeAnew,
	} {
		t.Run(name, func(t *testing.T) {
			maps := namespaceOf(t, config)
			test(t, func() *Keeper {
				return New(Config{ConfigMaps: namespaced(t, config, maps), Name: DefaultName, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
			}, namespaced(t, config, maps))
		})
	}
}

// namespaceOf makes a namespace for a test.
func namespaceOf(t *testing.T, config *rest.Config) string {
	t.Helper()
	made, err := coreClient(t, config).Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "state-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Name
}

// namespaced returns a client of its own, as each agent has.
func namespaced(t *testing.T, config *rest.Config, namespace string) corev1client.ConfigMapInterface {
	t.Helper()
	return coreClient(t, config).ConfigMaps(namespace)
}

func coreClient(t *testing.T, config *rest.Config) *corev1client.CoreV1Client {
	t.Helper()
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.CloseIdleConnections)
	client, err := corev1client.NewForConfigAndClient(config, http)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func raceForTerms(t *testing.T, keeper func() *Keeper, _ corev1client.ConfigMapInterface) {
	const rounds = 20
	now := time.Now() // the same for all, so that only the ConfigMap keeps terms apart
	terms := make([][]uint64, 2)
	var done sync.WaitGroup
	for i := range terms {
		k := keeper()
		done.Go(func() {
			for range rounds {
				term, err := k.TakeTerm(t.Context(), 0, now)
				if err != nil {
					t.Error(err)
				}
				terms[i] = append(terms[i], term)
			}
		})
	}
	done.Wait()
	for _, taken := range terms {
		if !slices.IsSorted(taken) {
			t.Errorf("terms go back: %d", taken)
		}
	}
	all := slices.Concat(terms...)
	slices.Sort(all)
	if all[0] != uint64(now.UnixMilli()) || all[len(all)-1] != all[0]+2*rounds-1 || len(slices.Compact(all)) != 2*rounds {
		t.Errorf("taken were %d", terms)
	}
}

func storeTheGreatest(t *testing.T, keeper func() *Keeper, _ corev1client.ConfigMapInterface) {
	k := keeper()
	k.Note(greatest(t).Clusters)
	if wrote, err := k.remember(t.Context(), newPace(time.Time{})); err != nil || !wrote {
		t.Fatalf("wrote %t, error %v", wrote, err)
	}
	if _, err := k.TakeTerm(t.Context(), 0, noon); err != nil {
		t.Fatal(err)
	}
	s, err := keeper().Load(t.Context())
	if want := greatest(t); err != nil || len(s.Clusters) != MaxClusters || fmt.Sprint(s.Clusters) != fmt.Sprint(want.Clusters) {
		t.Errorf("%d clusters loaded, error %v", len(s.Clusters), err)
	}
}

func repair(t *testing.T, keeper func() *Keeper, maps corev1client.ConfigMapInterface) {
	k := keeper()
	if _, err := k.TakeTerm(t.Context(), 0, noon); err != nil {
		t.Fatal(err)
	}
	// The key term is moved from data to binaryData, beside which data may not have it.
	broken := `{"metadata":{"labels":{"mine":"yes"}},"data":{"term":null,"cluster.west":"x","note":"mine"},"binaryData":{"term":"AA=="}}`
	if _, err := maps.Patch(t.Context(), DefaultName, types.MergePatchType, []byte(broken), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	k.Note([]Cluster{west(noon)})
	if wrote, err := k.remember(t.Context(), newPace(time.Time{})); err != nil || !wrote {
		t.Fatalf("wrote %t, error %v", wrote, err)
	}
	cm, err := maps.Get(t.Context(), DefaultName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"term": "1772366400000", "cluster.west": encodeCluster(west(noon)), "note": "mine"}
	if fmt.Sprint(cm.Data) != fmt.Sprint(want) || len(cm.BinaryData) > 0 || cm.Labels["mine"] != "yes" {
		t.Errorf("%v %v %v, want %v", cm.Data, cm.BinaryData, cm.Labels, want)
	}
}

func tellWhatCannotBe(t *testing.T, keeper func() *Keeper, maps corev1client.ConfigMapInterface) {
	k := keeper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: DefaultName}, Immutable: new(true)}
	if _, err := maps.Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if term, err := k.TakeTerm(t.Context(), 0, noon); err == nil {
		t.Errorf("term %d of an immutable ConfigMap", term)
	}
	if err := maps.Delete(t.Context(), DefaultName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.TakeTerm(t.Context(), 0, noon); err != nil {
		t.Errorf("the advice does not help: %v", err)
	}
}

func writeOneVersion(t *testing.T, keeper func() *Keeper, maps corev1client.ConfigMapInterface) {
	k := keeper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := k.TakeTerm(ctx, 0, noon); err != nil {
		t.Fatal(err)
	}
	calls := 0
	wrote, err := k.rewrite(ctx, func(data map[string]string) map[string]string {
		calls++
		switch calls {
		case 1: // edited, deleted, made by somebody else between reading and writing
			edit := []byte(`{"data":{"note":"mine"}}`)
			if _, err := maps.Patch(ctx, DefaultName, types.MergePatchType, edit, metav1.PatchOptions{}); err != nil {
				t.Error(err)
			}
		case 2:
			if data["note"] != "mine" {
				t.Errorf("read %v", data)
			}
			if err := maps.Delete(ctx, DefaultName, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		case 3:
			if data != nil {
				t.Errorf("read %v", data)
			}
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: DefaultName}, Data: map[string]string{"term": "5"}}
			if _, err := maps.Create(ctx, cm, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		}
		return map[string]string{"call": fmt.Sprint(calls)}
	})
	cm, getErr := maps.Get(ctx, DefaultName, metav1.GetOptions{})
	if !wrote || err != nil || getErr != nil || fmt.Sprint(cm.Data) != "map[call:4 term:5]" {
		t.Errorf("wrote %t, errors %v, %v, ConfigMap %v", wrote, err, getErr, cm)
	}
}
