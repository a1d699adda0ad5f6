package reach

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// place is a cluster with pods that are agents, as far as the API server knows.
type place struct {
	*testing.T
	config *rest.Config
	core   kubernetes.Interface
}

// TestOnAnAPIServer forwards ports through a real one.
func TestOnAnAPIServer(t *testing.T) {
	config := labtest.Start(t, lab.Config{Clusters: []string{"east"}}).Cluster("east").RESTConfig()
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t, config, core}
	n := newNode(t, map[string]string{"hansa-agent-a": says(t, "a"), "hansa-agent-b": says(t, "b")})
	p.node(n.Listener.Addr().(*net.TCPAddr))

	if _, _, err := Forward(t.Context(), config, "default"); !errors.Is(err, ErrNoAgent) {
		t.Errorf("without an agent: %v, want %v", err, ErrNoAgent)
	}
	p.pod("hansa-agent-a", corev1.PodRunning)
	p.pod("hansa-agent-b", corev1.PodRunning)
	p.pod("hansa-agent-c", corev1.PodPending)
	if got := p.ask(); got != "a" && got != "b" {
		t.Errorf("%q answers while nobody leads, want one that runs", got)
	}
	for _, leader := range []string{"b", "a"} {
		p.lead("hansa-agent-" + leader + "-6X3WTZUQ/192.0.2.7:8443")
		if got := p.ask(); got != leader {
			t.Errorf("%q answers, want %s, which leads", got, leader)
		}
	}
	p.each("", map[string]string{"hansa-agent-a": "a", "hansa-agent-b": "b"})
	p.each("hansa-agent-a", map[string]string{"hansa-agent-b": "b"})
	p.lead("hansa-agent-c-6X3WTZUQ/192.0.2.8:8443")
	if got := p.ask(); got != "a" && got != "b" {
		t.Errorf("%q answers while the leader's pod does not run, want one that does", got)
	}
}

// each wants all agents that run, but one, to be reached at once, each at an address of its own.
func (p *place) each(without string, want map[string]string) {
	agents, stop, err := Each(p.Context(), p.config, "default", without)
	if err != nil {
		p.Fatal(err)
	}
	defer stop()
	got := map[string]string{}
	for _, a := range agents {
		if a.Err != nil {
			p.Errorf("pod %s: %v", a.Pod, a.Err)
			continue
		}
		got[a.Pod] = p.get(a.Address)
	}
	if !maps.Equal(got, want) {
		p.Errorf("%v answer, want %v", got, want)
	}
}

// says returns the address of what answers a text.
func says(t *testing.T, text string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// ask asks whom Forward leads to.
func (p *place) ask() string {
	p.Helper()
	agent, stop, err := Forward(p.Context(), p.config, "default")
	if err != nil {
		p.Fatal(err)
	}
	defer stop()
	if host, _, _ := strings.Cut(agent.Address, ":"); host != "127.0.0.1" {
		p.Errorf("the port is forwarded from %s, want this machine alone to reach it", agent.Address)
	}
	answer := p.get(agent.Address)
	if agent.Pod != "hansa-agent-"+answer {
		p.Errorf("%s answers for pod %s", answer, agent.Pod)
	}
	return answer
}

func (p *place) get(address string) string {
	p.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address)
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}

func (p *place) node(at *net.TCPAddr) {
	n, err := p.core.CoreV1().Nodes().Create(p.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}, metav1.CreateOptions{})
	if err == nil {
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.IP.String()}}
		n.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(at.Port)
		_, err = p.core.CoreV1().Nodes().UpdateStatus(p.Context(), n, metav1.UpdateOptions{})
	}
	if err == nil {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "hansa-agent"}}
		_, err = p.core.CoreV1().ServiceAccounts("default").Create(p.Context(), account, metav1.CreateOptions{})
	}
	if err != nil {
		p.Fatal(err)
	}
}

func (p *place) pod(name string, phase corev1.PodPhase) {
	pod, err := p.core.CoreV1().Pods("default").Create(p.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/name": "hansa-agent"}},
		Spec: corev1.PodSpec{
			NodeName: "node", ServiceAccountName: "hansa-agent", AutomountServiceAccountToken: new(false),
			Containers: []corev1.Container{{Name: "agent", Image: "hansa-agent", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}},
		},
	}, metav1.CreateOptions{})
	if err == nil {
		pod.Status.Phase = phase
		_, err = p.core.CoreV1().Pods("default").UpdateStatus(p.Context(), pod, metav1.UpdateOptions{})
	}
	if err != nil {
		p.Fatal(err)
	}
}

func (p *place) lead(holder string) {
	leases := p.core.CoordinationV1().Leases("default")
	_ = leases.Delete(p.Context(), election.LeaseName, metav1.DeleteOptions{}) // the first time there is none
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: election.LeaseName}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder}}
	if _, err := leases.Create(p.Context(), lease, metav1.CreateOptions{}); err != nil {
		p.Fatal(err)
	}
}
