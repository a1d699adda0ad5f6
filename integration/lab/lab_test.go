//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// ownerContext is what roles pass where tests have t.Context.
var ownerContext = context.Background()

// processes are those of the lab that were started.
func (l *Lab) processes() (all []*Process) {
	for _, c := range l.clusters {
		for _, process := range []*Process{c.etcd, c.apiServer, c.controller} {
			if process != nil {
				all = append(all, process)
			}
		}
	}
	return all
}

func ownLab() {
	l, err := Start(ownerContext, Config{Clusters: []string{"east"}, ControllerManager: true, Output: os.Stderr})
	if err != nil {
		panic(err)
	}
	announce(l.processes()...)
	time.Sleep(time.Hour)
}

func startLab(t *testing.T, config Config) *Lab {
	t.Helper()
	config.Output = t.Output()
	if _, err := Build(t.Context(), t.Output(), true); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	l, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%d clusters started in %s", len(config.Clusters), time.Since(begun).Round(10*time.Millisecond))
	return l
}

func coreClient(t *testing.T, cluster *Cluster) *v1.CoreV1Client {
	t.Helper()
	config := cluster.RESTConfig()
	config.Timeout = 10 * time.Second
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	client, err := v1.NewForConfigAndClient(config, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func createService(t *testing.T, cluster *Cluster, name string) *corev1.Service {
	t.Helper()
	service, err := coreClient(t, cluster).Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// defaultServiceAccount waits for what only a controller manager makes.
func defaultServiceAccount(t *testing.T, cluster *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	accounts, err := coreClient(t, cluster).ServiceAccounts("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer accounts.Stop()
	if event, ok := <-accounts.ResultChan(); !ok || event.Type != watch.Added {
		t.Fatalf("no service account: %v", event)
	}
}

func inside(t *testing.T, address, prefix string) {
	t.Helper()
	addr, err := netip.ParseAddr(address)
	if err != nil || !netip.MustParsePrefix(prefix).Contains(addr) {
		t.Errorf("address %q is not in %s", address, prefix)
	}
}

func TestClustersAreSeparate(t *testing.T) {
	l := startLab(t, Config{Clusters: []string{"east", "west"}})
	inside(t, createService(t, l.Cluster("east"), "web").Spec.ClusterIP, "10.96.0.0/16")
	inside(t, createService(t, l.Cluster("west"), "db").Spec.ClusterIP, "10.97.0.0/16")
	_, err := coreClient(t, l.Cluster("west")).Services("default").Get(t.Context(), "web", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("east's Service in west: %v, want not found", err)
	}
	if l.Cluster("north") != nil {
		t.Error("a cluster that was not asked for")
	}
}

func TestOnlyClustersOfDualStackGiveIPv6Addresses(t *testing.T) {
	l := startLab(t, Config{Clusters: []string{"east", "west"}, DualStack: []string{"west"}})
	for cluster, ranges := range map[string][]string{"east": {"10.96.0.0/16"}, "west": {"10.97.0.0/16", "fd00:10:97::/112"}} {
		service, err := coreClient(t, l.Cluster(cluster)).Services("default").Create(t.Context(), &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}, IPFamilyPolicy: new(corev1.IPFamilyPolicyPreferDualStack)},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(service.Spec.ClusterIPs) != len(ranges) {
			t.Errorf("%s gave %v, want an address of each of %v", cluster, service.Spec.ClusterIPs, ranges)
			continue
		}
		for i, address := range service.Spec.ClusterIPs {
			inside(t, address, ranges[i])
		}
	}
}

func TestKubectlReachesEachClusterByItsContext(t *testing.T) {
	l := startLab(t, Config{Clusters: []string{"east", "west"}})
	createService(t, l.Cluster("west"), "web")
	kube, err := chosenRelease()
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"get namespaces -o name":                                   "namespace/default",
		"--context west get service web -o name":                   "service/web",
		"config current-context":                                   "east",
		"--context west config view --minify -o jsonpath={..user}": "west",
		"version --client -o json":                                 `"gitVersion": "` + kube.version + `"`,
		"--context west get --raw /version":                        `"gitVersion": "` + kube.version + `"`,
	} {
		cmd := exec.CommandContext(t.Context(), l.Kubectl(), strings.Fields(args)...)
		cmd.Env = []string{"KUBECONFIG=" + l.Kubeconfig(), "HOME=" + t.TempDir()}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("kubectl %s: %v: %s: want %q", args, err, out, want)
		}
	}
	for _, path := range []string{l.Kubeconfig(), l.Cluster("east").Kubeconfig} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v, want 0600", path, info.Mode(), err)
		}
	}
}

func TestStopLeavesNoProcessNoPortNoDirectory(t *testing.T) {
	l := startLab(t, Config{Clusters: []string{"east", "west"}, ControllerManager: true})
	defaultServiceAccount(t, l.Cluster("west"))
	var pids []int
	for _, process := range l.processes() {
		pids = append(pids, process.Pid())
	}
	if len(pids) != 6 {
		t.Errorf("%d processes, want 3 of each cluster", len(pids))
	}
	handles := openHandles(t, pids)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	gone(t, handles, 0)
	for _, cluster := range l.Clusters() {
		listener, err := net.Listen("tcp", cluster.port.hostPort())
		if err != nil {
			t.Errorf("the port of %s is not free: %v", cluster.Name, err)
			continue
		}
		_ = listener.Close()
	}
	if _, err := os.Stat(l.Dir()); !os.IsNotExist(err) {
		t.Errorf("directory: %v, want that it is gone", err)
	}
	if err := l.Cluster("east").StartAPIServer(t.Context()); err == nil {
		t.Error("an API server was started in a stopped lab")
	}
}

func TestKilledOwnerLeavesNoProcess(t *testing.T) {
	if _, err := Build(t.Context(), t.Output(), true); err != nil {
		t.Fatal(err)
	}
	cmd, pids := owner(t, "own-lab")
	if len(pids) != 3 {
		t.Errorf("%d processes, want 3", len(pids))
	}
	handles := openHandles(t, pids)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone(t, handles, 2*time.Second)
}

func TestAPIServerComesBackWithItsDataAtItsAddress(t *testing.T) {
	l := startLab(t, Config{Clusters: []string{"east"}})
	cluster := l.Cluster("east")
	before := createService(t, cluster, "web")
	if err := cluster.StartAPIServer(t.Context()); err == nil {
		t.Error("StartAPIServer started a second one")
	}
	if err := cluster.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", cluster.port.hostPort()); err == nil {
		conn.Close()
		t.Error("something listens at the address of the stopped API server")
	}
	if listener, err := net.Listen("tcp", cluster.port.hostPort()); err == nil {
		listener.Close()
		t.Error("another program could take the port of the stopped API server")
	}
	begun := time.Now()
	if err := cluster.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("API server started again in %s", time.Since(begun).Round(10*time.Millisecond))
	after, err := coreClient(t, cluster).Services("default").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || after.UID != before.UID {
		t.Errorf("after the restart: %v, want the same Service", err)
	}
}

func TestStartReportsTheLastLinesOfAProcessThatDies(t *testing.T) {
	binary, err := Build(t.Context(), t.Output(), true)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := givenRunDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{dir: dir}
	t.Cleanup(func() { _ = l.stopAll() })
	if err := l.link(binary); err != nil {
		t.Fatal(err)
	}
	cluster := l.newCluster(0, "east", Config{}, netip.MustParseAddr("127.0.0.1"))
	cluster.services = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/31")} // too few for Kubernetes.
	l.clusters = append(l.clusters, cluster)
	begun := time.Now()
	err = cluster.start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver ended: exit status 1") ||
		!strings.Contains(err.Error(), "must be at least 8 IP addresses") {
		t.Errorf("err = %v, want the exit status and the reason from the log", err)
	}
	if took := time.Since(begun); took > startTimeout/4 {
		t.Errorf("reported after %s, want at once", took)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	if _, err := Build(t.Context(), t.Output(), true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "lab")
	if l, err := Start(ctx, Config{Clusters: []string{"east"}, Dir: dir}); err == nil {
		t.Errorf("started in half a second; Stop: %v", l.Stop())
	} else if !strings.Contains(err.Error(), "start cluster east") {
		t.Errorf("err = %v", err)
	}
	lock, err := TryLock(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatalf("a failed Start keeps its directory locked: %v", err)
	}
	_ = lock.Unlock()
}

func TestConfigIsCheckedBeforeAnythingStarts(t *testing.T) {
	var many []string
	for i := range maxClusters + 1 {
		many = append(many, fmt.Sprintf("c%d", i))
	}
	for want, clusters := range map[string][]string{
		"got 0 names":       nil,
		"expected 1 to 160": many,
		`"East" is no DNS`:  {"west", "East"},
		"named twice":       {"east", "west", "east"},
	} {
		if _, err := Start(t.Context(), Config{Clusters: clusters}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("clusters %.3q: err = %v, want %q", clusters, err, want)
		}
	}
	if err := (Config{Clusters: many[:maxClusters], DualStack: many[1:3]}).Validate(); err != nil {
		t.Error(err)
	}
	stranger := Config{Clusters: many[:2], DualStack: many[1:3]}
	if _, err := Start(t.Context(), stranger); err == nil || err.Error() != `dual stack: "c2" is no cluster, expected some of c0, c1` {
		t.Errorf("err = %v", err)
	}
}

func TestServiceRangesDoNotOverlap(t *testing.T) {
	var all []netip.Prefix
	for i := range maxClusters {
		for _, services := range serviceRanges(i, true) {
			for _, other := range all {
				if services.Overlaps(other) {
					t.Fatalf("%s overlaps %s", services, other)
				}
			}
			all = append(all, services)
		}
	}
}
