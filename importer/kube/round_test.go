package kube

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// TestAnObjectThatChangedIsLookedAtAgain: a patch is for the version that was planned on. That the API server has
// another is no mistake of anybody, and its watch tells.
func TestAnObjectThatChangedIsLookedAtAgain(t *testing.T) {
	onRig(t, func(r *rig) {
		r.export(exported1)
		r.rounds(2, false)
		r.edit("apiVersion: v1\nkind: Service\nmetadata: {name: " + DerivedName(web) + "}\nspec: {selector: {app: mine}}\n")
		r.refuse = refusing("patch Service", answer(http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified"))
		result, err := r.round()
		if err != nil || result.RequeueAfter != behindPause {
			t.Errorf("result %v, error %v", result, err)
		}
		r.refuse = nil
		if got, want := r.rounds(2, false), []string{"patch Service " + DerivedName(web)}; !slices.Equal(got, want) {
			t.Errorf("written is %v, want %v", got, want)
		}
	})
}

// TestAConflictIsNotAlwaysWithSomebodyElse: quota conflicts too, and then nothing wakes us.
func TestAConflictIsNotAlwaysWithSomebodyElse(t *testing.T) {
	onRig(t, func(r *rig) {
		r.export(exported1)
		r.refuse = refusing("apply Service derived", answer(http.StatusConflict, metav1.StatusReasonConflict, "the quota was modified"))
		result, err := r.round()
		if err != nil || result.RequeueAfter != behindPause {
			t.Errorf("result %v, error %v", result, err)
		}
	})
}

// TestAnAddressThatRestsIsGivenBackInTime: nothing else wakes us for that.
func TestAnAddressThatRestsIsGivenBackInTime(t *testing.T) {
	onRig(t, func(r *rig) {
		r.export(exported1)
		r.rounds(2, false)
		r.export("[]")
		r.rounds(1, false)
		result, err := r.round()
		if err != nil || result.RequeueAfter != DefaultAddressRest {
			t.Fatalf("result %v, error %v", result, err)
		}
		time.Sleep(result.RequeueAfter)
		if got, want := r.rounds(1, false), []string{"delete Service " + DerivedName(web)}; !slices.Equal(got, want) {
			t.Errorf("written is %v, want %v", got, want)
		}
	})
}

const exportedDual = "- cluster: a\n  families: [IPv4, IPv6]\n  ports: [http 80/TCP]\n"

// TestATakenAddressIsAskedForAWhile, then given up, and the other one kept; nobody is told meanwhile.
func TestATakenAddressIsAskedForAWhile(t *testing.T) {
	rule.Covers(t, "I7")
	onRig(t, func(r *rig) {
		r.export(exportedDual)
		r.rounds(2, false)
		had := r.current().Import.Spec.IPs
		delete(r.objects, "Service "+DerivedName(web))
		r.others = had[1:]
		if got, want := r.rounds(1, false), []string{"apply Service " + DerivedName(web)}; !slices.Equal(got, want) {
			t.Errorf("written is %v, want the first address", got)
		}
		for range 2 {
			if got := r.rounds(1, true); len(got) > 0 {
				t.Errorf("written is %v", got)
			}
			time.Sleep(takenAfter / 2)
		}
		r.rounds(2, false)
		if got := r.current().Import.Spec.IPs; len(had) != 2 || len(got) != 2 || got[0] != had[0] || got[1] == had[1] {
			t.Errorf("addresses %v, had %v", got, had)
		}
		if len(r.told) > 0 || !strings.HasPrefix(r.ready(), "Ready=True") {
			t.Errorf("Events %q, condition %q", r.told, r.ready())
		}

	})
}

// TestAnAddressIsAskedForAWhileEachTime: what was refused long ago, and then given, is not given up at once.
func TestAnAddressIsAskedForAWhileEachTime(t *testing.T) {
	onRig(t, func(r *rig) {
		r.export(exportedDual)
		r.rounds(2, false)
		had := r.current().Import.Spec.IPs
		for range 2 {
			delete(r.objects, "Service "+DerivedName(web))
			r.others = had
			r.rounds(1, true)
			r.others = nil
			r.rounds(2, false)
			if got := r.current().Import.Spec.IPs; !slices.Equal(got, had) {
				t.Errorf("addresses %v, had %v", got, had)
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestAnAddressThatCannotBeHelpedIsTold: planning again for the same refusal would never end.
func TestAnAddressThatCannotBeHelpedIsTold(t *testing.T) {
	onRig(t, func(r *rig) {
		r.export(exported1)
		r.rounds(2, false)
		r.edit("apiVersion: v1\nkind: Service\nmetadata: {name: " + DerivedName(web) + "}\nspec: {selector: {app: mine}}\n")
		r.refuse = refusing("patch Service", invalid("spec.clusterIPs", "whatever"))
		r.rounds(1, true)
		time.Sleep(takenAfter)
		r.rounds(2, true)
		if got := r.ready(); got != "Ready=False/Pending the derived Service was refused: spec.clusterIPs: whatever" {
			t.Errorf("condition %q", got)
		}
	})
}

// TestBlamed: an API server may name the address that cannot be had, or its family.
func TestBlamed(t *testing.T) {
	both := []string{"10.96.0.1", "fd96::1"}
	for _, c := range []struct {
		field, message string
		want           []string
	}{
		{"spec.clusterIPs", `Invalid value: ["10.96.0.1","fd96::1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated`, both[:1]},
		{"spec.clusterIPs", `Invalid value: ["10.96.0.1","fd96::1"]: failed to allocate IP fd96::1: provided IP is already allocated`, both[1:]},
		{"spec.clusterIPs", `Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.11: provided IP is already allocated`, both},
		{"spec.clusterIPs", `Invalid value: ["10.96.0.1"]: failed to allocate IP: range is full`, nil},
		{"spec.clusterIPs", "something else", both},
		{"spec.ipFamilies[1]", `Invalid value: "IPv6": not configured on this cluster`, both[1:]},
	} {
		if got := blamed(invalid(c.field, c.message), both); !slices.Equal(got, c.want) {
			t.Errorf("%s: %s: blamed is %v, want %v", c.field, c.message, got, c.want)
		}
	}
}

// TestFamiliesAreAskedForAgainWhenOneIsRefused: the API server may have lost one since the agent started.
func TestFamiliesAreAskedForAgainWhenOneIsRefused(t *testing.T) {
	rule.Covers(t, "I5")
	onRig(t, func(r *rig) {
		r.refuse = refusing("apply Service derived", invalid("spec.ipFamilies[0]", `Invalid value: "IPv6": not configured on this cluster`))
		r.lacks = append(r.lacks, "IPv6")
		r.export("- cluster: a\n  families: [IPv6]\n  ports: [http 80/TCP]\n")
		r.rounds(1, true)
		r.rounds(2, false)
		if got := r.ready(); !strings.HasPrefix(got, "Ready=False/IPFamilyNotSupported") {
			t.Errorf("condition %q", got)
		}
		if got := r.takeTold(); len(got) != 1 || !strings.HasPrefix(got[0], "ServiceImport Warning IPFamilyNotSupported") {
			t.Errorf("Events %q", got)
		}
	})
}
