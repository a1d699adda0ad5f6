package kube

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

const ownExportYAML = "apiVersion: multicluster.x-k8s.io/v1beta1\nkind: ServiceExport\nmetadata: {name: web}\n"

func forbidden(text string) error {
	return answer(http.StatusForbidden, metav1.StatusReasonForbidden, text)
}

// TestARefusedWriteIsTold: in the condition Ready, and once by an Event on the ServiceImport and on this cluster's
// ServiceExport; and taken back when the write goes through, without anybody's help.
func TestARefusedWriteIsTold(t *testing.T) {
	rule.Covers(t, "I5")
	const cause = "the EndpointSlice of cluster a was refused: exceeded quota"
	onRig(t, func(r *rig) {
		r.edit(ownExportYAML)
		r.refuse = refusing("apply EndpointSlice", forbidden("exceeded quota"))
		r.export("- cluster: a\n  type: Headless\n  ports: [http 80/TCP]\n")
		if got, want := r.rounds(1, true), []string{"apply ServiceImport web"}; !slices.Equal(got, want) {
			t.Errorf("written is %v, want no status that is not so", got)
		}
		if got, want := r.rounds(1, true), []string{"apply status ServiceImport web"}; !slices.Equal(got, want) || r.ready() != "Ready=False/Pending "+cause {
			t.Errorf("written is %v, condition %q", got, r.ready())
		}
		if got := r.rounds(5, true); len(got) > 0 {
			t.Errorf("written again is %v", got)
		}
		got := r.takeTold()
		slices.Sort(got)
		if want := []string{"ServiceExport Warning NotWritten: " + cause, "ServiceImport Warning NotWritten: " + cause}; !slices.Equal(got, want) {
			t.Errorf("Events %q", got)
		}
		if got := r.door.blocked.Count()[BlockedByRefusal]; got != 1 {
			t.Errorf("%d services are blocked", got)
		}
		if got := r.door.blocked.Why(web); got != cause {
			t.Errorf("blocked as %q", got)
		}

		r.refuse = nil
		r.rounds(1, false)
		if got := r.ready(); got != "Ready=True/Ready the service can be used" {
			t.Errorf("condition %q", got)
		}
		if got := r.rounds(2, false); len(got) > 0 || len(r.takeTold()) > 0 || r.door.blocked.Count()[BlockedByRefusal] != 0 {
			t.Errorf("written is %v, blocked are %v", got, r.door.blocked.Count())
		}
	})
}

// TestARefusedAddressIsTold: the ServiceImport is made to say so; one that is there keeps the address that it had.
func TestARefusedAddressIsTold(t *testing.T) {
	onRig(t, func(r *rig) {
		r.refuse = refusing("apply Service derived", forbidden("exceeded quota"))
		r.export(exported1)
		r.rounds(3, true)
		if got := r.ready(); got != "Ready=False/Pending the derived Service was refused: exceeded quota" {
			t.Errorf("condition %q", got)
		}
		if got := r.takeTold(); len(got) != 1 {
			t.Errorf("Events %q", got)
		}
		r.refuse = nil
		r.rounds(2, false)
		if now := r.current(); !slices.Equal(now.Import.Spec.IPs, now.Derived.Spec.ClusterIPs) || !strings.HasPrefix(r.ready(), "Ready=True") {
			t.Errorf("addresses %v, condition %q", now.Import.Spec.IPs, r.ready())
		}

		address := r.current().Import.Spec.IPs
		delete(r.objects, "Service "+DerivedName(web))
		r.refuse = refusing("apply Service derived", forbidden("exceeded quota"))
		r.rounds(3, true)
		if got := r.current().Import.Spec.IPs; !slices.Equal(got, address) || !strings.HasPrefix(r.ready(), "Ready=False/Pending") {
			t.Errorf("addresses %v, want %v; condition %q", got, address, r.ready())
		}
		r.refuse = nil
		r.rounds(2, false)
		if now := r.current(); !slices.Equal(now.Derived.Spec.ClusterIPs, address) || !strings.HasPrefix(r.ready(), "Ready=True") {
			t.Errorf("addresses %v, want %v; condition %q", now.Derived.Spec.ClusterIPs, address, r.ready())
		}
	})
}

// TestARefusedImportIsToldElsewhere: it cannot say so itself.
func TestARefusedImportIsToldElsewhere(t *testing.T) {
	onRig(t, func(r *rig) {
		r.edit(ownExportYAML)
		r.refuse = refusing("apply ServiceImport", forbidden("not allowed"))
		r.export(exported1)
		r.rounds(1, false)
		r.rounds(3, true)
		if got, want := r.takeTold(), []string{"ServiceExport Warning NotWritten: the ServiceImport was refused: not allowed"}; !slices.Equal(got, want) {
			t.Errorf("Events %q, want %q", got, want)
		}
		if slices.Contains(r.asked, "apply status ServiceImport web") {
			t.Error("asked for the status of what is not there")
		}
	})
}

// TestARefusedConditionOfTheExportHarmsNoImport: the service can be used.
func TestARefusedConditionOfTheExportHarmsNoImport(t *testing.T) {
	onRig(t, func(r *rig) {
		r.edit(ownExportYAML + "status: {conditions: [{type: Conflict, status: 'True', reason: PortConflict, message: '', lastTransitionTime: '2026-03-01T00:00:00Z'}]}\n")
		r.refuse = refusing("patch status ServiceExport", forbidden("not allowed"))
		r.export(exported1)
		r.rounds(4, true)
		if got := r.ready(); !strings.HasPrefix(got, "Ready=True") {
			t.Errorf("condition %q", got)
		}
		got := r.takeTold()
		slices.Sort(got)
		const cause = " Warning NotWritten: the condition Conflict of the ServiceExport was refused: not allowed"
		if want := []string{"ServiceExport" + cause, "ServiceImport" + cause}; !slices.Equal(got, want) {
			t.Errorf("Events %q, want %q", got, want)
		}
	})
}

// TestWhatPassesIsNotTold: it is tried again, and nobody has to do anything about it.
func TestWhatPassesIsNotTold(t *testing.T) {
	rule.Covers(t, "#4")
	for name, c := range map[string]struct {
		err   error
		fails bool
	}{
		"no connection":     {errors.New("connection refused"), true},
		"unauthorized":      {answer(http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "who are you"), true},
		"time-out":          {answer(http.StatusGatewayTimeout, metav1.StatusReasonTimeout, "too slow"), true},
		"too many requests": {answer(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "not now"), true},
		"unavailable":       {answer(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "down"), true},
		"internal":          {answer(http.StatusInternalServerError, metav1.StatusReasonInternalError, "failed calling webhook"), true},
		"no such kind":      {answer(http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource"), true},
		"quota raced":       {answer(http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified"), false},
		"made meanwhile":    {answer(http.StatusConflict, metav1.StatusReasonAlreadyExists, "already exists"), false},
		"namespace gone": {&apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Details: &metav1.StatusDetails{Kind: "namespaces"},
		}}, false},
		"namespace terminates": {answer(http.StatusForbidden, metav1.StatusReasonForbidden, "it is being terminated",
			metav1.StatusCause{Type: corev1.NamespaceTerminatingCause}), false},
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.export(exported1)
				r.rounds(2, false)
				r.refuse = refusing("apply EndpointSlice", c.err)
				r.edit("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + DerivedName(web) + "-a-ipv4-0}\nendpoints: []\n")
				if got := r.rounds(3, c.fails); len(got) > 0 || len(r.told) > 0 || !strings.HasPrefix(r.ready(), "Ready=True") {
					t.Errorf("written is %v, Events %q, condition %q", got, r.told, r.ready())
				}
			})
		})
	}
}

// TestARefusalThatReadsOtherwiseIsNoNews: else a number in it would be a write at each try.
func TestARefusalThatReadsOtherwiseIsNoNews(t *testing.T) {
	onRig(t, func(r *rig) {
		tries := 0
		r.refuse = func(write string) error {
			if !strings.HasPrefix(write, "apply EndpointSlice") {
				return nil
			}
			tries++
			return forbidden(fmt.Sprintf("try %d", tries))
		}
		r.export(exported1)
		r.rounds(1, true)
		var statuses int
		for range 10 {
			statuses += len(r.rounds(1, true))
			time.Sleep(7 * time.Second)
		}
		if statuses != 2 || !strings.HasSuffix(r.ready(), "try 1") { // the ServiceImport and its status
			t.Errorf("%d writes, condition %q", statuses, r.ready())
		}
		r.rounds(2, true)
		if got := r.ready(); strings.HasSuffix(got, "try 1") {
			t.Errorf("condition %q after more than a minute", got)
		}
		if got := r.takeTold(); len(got) != 1 {
			t.Errorf("Events %q", got)
		}
		r.refuse = refusing("apply EndpointSlice", invalid("endpoints", "too many"))
		r.rounds(2, true)
		if got := r.ready(); !strings.HasSuffix(got, "endpoints: too many") || len(r.takeTold()) != 1 {
			t.Errorf("condition %q for another reason", got)
		}
	})
}

// TestARestartTellsNoRefusalAgain and rewrites no status that already says it.
func TestARestartTellsNoRefusalAgain(t *testing.T) {
	onRig(t, func(r *rig) {
		r.refuse = refusing("apply EndpointSlice", forbidden("exceeded quota"))
		r.export(exported1)
		r.rounds(4, true)
		r.takeTold()
		r.door.blocked = &Blocked{}
		r.door.teller = newTeller(r)
		r.door.teller.begin(1, r.importer.View(), r.door.scene(r.importer.View()))
		if got := r.rounds(3, true); len(got) > 0 || len(r.told) > 0 {
			t.Errorf("written is %v, Events %q", got, r.told)
		}
	})
}

// TestALongRefusalIsCut, at a whole character.
func TestALongRefusalIsCut(t *testing.T) {
	got, ok := refusalOf(Change{Object: &corev1.Service{}, Verb: Delete}, forbidden(strings.Repeat("ß", 1000)), time.Time{})
	if want := "the deletion of the derived Service was refused: ß"; !ok || !strings.HasPrefix(got.String(), want) || !strings.HasSuffix(got.String(), "ß…") || len(got.String()) > 600 {
		t.Errorf("%d bytes: %s", len(got.String()), got)
	}
}
