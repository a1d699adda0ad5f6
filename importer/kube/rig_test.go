package kube

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/importer"
)

// rig is a whole door between an importer and an API server that can refuse. It is for a bubble of synctest, in
// which time passes only where a test lets it.
type rig struct {
	*server
	door     *door
	store    *federation.Store
	importer *importer.Importer
	refuse   func(write string) error // what the API server says to "apply Service derived-…"
	lacks    []corev1.IPFamily        // what it says that it has not when a dry run asks
	others   []string                 // addresses of other Services
	takes    time.Duration            // what it takes for each write
	asked    []string                 // all writes
	written  []string                 // what it took
	told     []string                 // Events
	seq      uint64
}

// onRig runs a test in a bubble.
func onRig(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := federation.NewStore("own")
		r := &rig{server: newServer(t, "IPv4", "IPv6"), store: store, importer: importer.New(store, importer.Config{Patience: federation.DefaultPatience})}
		ctx, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = r.importer.Start(ctx) })
		defer done.Wait()
		defer stop()
		log := slog.New(slog.DiscardHandler)
		r.door = &door{
			client: interceptor.NewClient(nil, r.funcs()), self: "own", store: store, importer: r.importer, rest: DefaultAddressRest, log: log,
			lead: func(ctx context.Context) (context.Context, func(), uint64, error) { return ctx, func() {}, 1, nil },
			left: always(false), withdrawn: always(true),
			teller: newTeller(r), definition: &kind{served: true}, blocked: &Blocked{}, budget: newBudget(),
			features: &features{client: interceptor.NewClient(nil, interceptor.Funcs{Create: r.dryRun}), importer: r.importer, log: log},
		}
		r.importer.SetNamespace(web.Namespace, true)
		r.importer.SetFamilies([]federation.IPFamily{"IPv4", "IPv6"})
		r.importer.Open()
		synctest.Wait()
		r.door.teller.begin(1, importer.Empty(), r.door.scene(importer.Empty()))
		test(r)
	})
}

// export makes clusters say all that there is of web; this cluster says nothing, and is heard.
func (r *rig) export(exports string) {
	r.t.Helper()
	r.seq++
	r.store.Announce(r.seq, nil)
	said := map[federation.ClusterID][]*federation.Export{"a": nil, "b": nil}
	for _, e := range parseExports(r.t, []byte(exports)) {
		said[e.Cluster] = append(said[e.Cluster], e)
	}
	for cluster, put := range said {
		if err := federationtest.Say(r.store, cluster, federation.Version{Term: 1, Seq: r.seq}, put...); err != nil {
			r.t.Fatal(err)
		}
	}
	synctest.Wait()
}

// round is one call of Reconcile, and what opening would make of it.
func (r *rig) round() (ctrl.Result, error) {
	r.t.Helper()
	result, err := r.door.Reconcile(r.t.Context(), ctrl.Request{NamespacedName: key(web)})
	r.importer.SetIPs(web, nil)
	if derived := held[corev1.Service](r.server, "Service "+DerivedName(web)); derived != nil && ours(derived) {
		r.importer.SetIPs(web, addresses(derived))
	}
	synctest.Wait()
	return result, err
}

// rounds returns what was written in n rounds, of which the errors are expected or not.
func (r *rig) rounds(n int, fails bool) []string {
	r.t.Helper()
	r.written = nil
	for i := range n {
		if _, err := r.round(); (err != nil) != fails {
			r.t.Fatalf("round %d: error %v", i, err)
		}
	}
	return r.written
}

// ready is the condition of the ServiceImport.
func (r *rig) ready() string {
	r.t.Helper()
	if now := r.current(); now.Import != nil && len(now.Import.Status.Conditions) == 1 {
		c := now.Import.Status.Conditions[0]
		return fmt.Sprintf("%s=%s/%s %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return ""
}

// Eventf writes an Event down, as an events.EventRecorder.
func (r *rig) Eventf(about, _ runtime.Object, kind, reason, _, text string, args ...any) {
	r.told = append(r.told, fmt.Sprintf("%s %s %s: %s", kindOf(about), kind, reason, fmt.Sprintf(text, args...)))
}

// takeTold returns the Events since the last time.
func (r *rig) takeTold() []string {
	told := r.told
	r.told = nil
	return told
}

// ask lets the API server refuse a write, or take it.
func (r *rig) ask(verb Verb, id string, write func() error) error {
	r.asked = append(r.asked, fmt.Sprint(verb, " ", id))
	if r.refuse != nil {
		if err := r.refuse(fmt.Sprint(verb, " ", id)); err != nil {
			return err
		}
	}
	time.Sleep(r.takes)
	err := write()
	if err == nil {
		r.written = append(r.written, fmt.Sprint(verb, " ", id))
	}
	return err
}

func (r *rig) applies(verb Verb, config runtime.ApplyConfiguration, force bool) error {
	said := encode(r.t, config)
	return r.ask(verb, said.GetKind()+" "+said.GetName(), func() error {
		ips, _, _ := unstructured.NestedStringSlice(said.Object, "spec", "clusterIPs")
		for _, ip := range ips {
			if slices.Contains(r.others, ip) {
				r.others = append(r.others, r.kept(ips)...)
				return invalid("spec.clusterIPs", fmt.Sprintf("Invalid value: %q: failed to allocate IP %s: provided IP is already allocated", ips, ip))
			}
		}
		return r.apply(config, verb == ApplyStatus, force)
	})
}

// kept returns the addresses that an API server gives to nobody when it refuses one of them: those that the
// derived Service has not already.
func (r *rig) kept(ips []string) []string {
	var had []string
	if derived := r.current().Derived; derived != nil {
		had = derived.Spec.ClusterIPs
	}
	return slices.DeleteFunc(ips, func(ip string) bool { return slices.Contains(had, ip) })
}

func (r *rig) patches(verb Verb, o client.Object, patch client.Patch) error {
	id := kindOf(o) + " " + o.GetName()
	return r.ask(verb, id, func() error { return r.patch(id, patch, o) })
}

// funcs is the client of the API server.
func (r *rig) funcs() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
			live := r.objects[kindOf(into)+" "+key.Name]
			if live == nil {
				return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
			}
			return runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, into)
		},
		List: func(_ context.Context, _ client.WithWatch, into client.ObjectList, _ ...client.ListOption) error {
			for _, s := range r.current().Slices {
				list, ok := into.(*discoveryv1.EndpointSliceList)
				if !ok {
					return fmt.Errorf("a list of %T", into)
				}
				list.Items = append(list.Items, *s)
			}
			return nil
		},
		Delete: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.DeleteOption) error {
			id := kindOf(o) + " " + o.GetName()
			return r.ask(Delete, id, func() error { return r.remove(id) })
		},
		Patch: func(_ context.Context, _ client.WithWatch, o client.Object, patch client.Patch, _ ...client.PatchOption) error {
			return r.patches(Patch, o, patch)
		},
		SubResourcePatch: func(_ context.Context, _ client.Client, _ string, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
			return r.patches(PatchStatus, o, patch)
		},
		Apply: func(_ context.Context, _ client.WithWatch, config runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return r.applies(Apply, config, slices.Contains(options, client.ApplyOption(client.ForceOwnership)))
		},
		SubResourceApply: func(_ context.Context, _ client.Client, _ string, config runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
			return r.applies(ApplyStatus, config, true)
		},
	}
}

// dryRun answers what features asks.
func (r *rig) dryRun(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
	service, ok := o.(*corev1.Service)
	if ok && slices.ContainsFunc(service.Spec.IPFamilies, func(f corev1.IPFamily) bool { return slices.Contains(r.lacks, f) }) {
		return invalid("spec.ipFamilies[0]", "not configured on this cluster")
	}
	return nil
}

// answer is an error as an API server makes it.
func answer(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes},
	}}
}

func invalid(field, message string) error {
	return answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, field+": "+message,
		metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: field, Message: message})
}

// refusing refuses the writes that begin so.
func refusing(write string, err error) func(string) error {
	return func(w string) error {
		if strings.HasPrefix(w, write) {
			return err
		}
		return nil
	}
}

// TestTheRigWorks: without any refusal a service is imported by two rounds, and then nothing is written.
func TestTheRigWorks(t *testing.T) {
	onRig(t, func(r *rig) {
		r.export(exported1)
		r.rounds(2, false)
		if got := r.ready(); got != "Ready=True/Ready the service can be used" {
			t.Errorf("condition %q", got)
		}
		if got := r.rounds(2, false); len(got) > 0 {
			t.Errorf("written is %v", got)
		}
		if told := r.takeTold(); len(told) > 0 {
			t.Errorf("Events %q", told)
		}
	})
}

const exported1 = "- cluster: a\n  ports: [http 80/TCP]\n  subsets:\n  - ports: [http 8080/TCP]\n    endpoints: [10.1.0.1]\n"
