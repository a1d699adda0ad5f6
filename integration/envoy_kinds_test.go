package integration

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/integration/probe"
)

// appProtocols are what ports of Services say of themselves, with sense and without.
var appProtocols = []string{
	"http", "kubernetes.io/ws", "kubernetes.io/h2c", "grpc", "https", "kubernetes.io/wss", "tcp", "mysql", "HTTP", "example.com/own",
}

// takeEveryKind exports services as there are, of which the Envoys have to take every port for TCP, and be done with it.
func takeEveryKind(s *xdsScene, proxies []*proxy) {
	for _, m := range s.Members() {
		for _, name := range []string{"svc", "2nd"} {
			s.create(m.Name, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
	}
	wanted := map[string]int{}
	for _, e := range envoyScene(s.t) {
		s.create(e.cluster, e.objects()...)
		for _, port := range e.ports {
			if port.Protocol == corev1.ProtocolTCP {
				wanted[probe.ClusterName(e.name+"."+e.namespace+".svc.clusterset.local", int(port.Port))]++
			}
		}
	}
	for _, p := range proxies {
		for cluster := range wanted {
			p.until(s, "is there", cluster, func(ctx context.Context) (bool, error) {
				clusters, err := p.Clusters(ctx)
				return clusters[cluster] != nil, err
			})
		}
		p.until(s, "and all others are used", "", func(ctx context.Context) (bool, error) {
			stats, err := p.Stats(ctx, "cluster_manager.warming_clusters")
			warming, told := stats["cluster_manager.warming_clusters"]
			return told && warming == 0, err
		})
	}
	s.t.Logf("%d clusters", len(wanted))
}

// envoyScene are the services of exportsOfEveryKind that clusters of one family of addresses can have, but for web, which is
// there, and for what two clusters do not agree on; and one of every appProtocol.
func envoyScene(t *testing.T) (scene []exported) {
	t.Helper()
	all := readScene(t, exportsOfEveryKind)
	times := map[string]int{"shop/web": 2}
	for _, e := range all {
		times[e.namespace+"/"+e.name]++
	}
	for _, e := range all {
		oneFamily := e.kind != "ip6" && e.kind != "dual"
		if times[e.namespace+"/"+e.name] == 1 && e.cluster != "north" && e.namespace != farNamespace && oneFamily {
			scene = append(scene, e)
		}
	}
	spoken := readScene(t, "east shop/spoken ip4 - -")[0]
	for i, text := range appProtocols {
		port := readPort(t, fmt.Sprintf("p-%d:%d", i, 80+i))
		port.AppProtocol = new(text)
		spoken.ports = append(spoken.ports, port)
	}
	return append(scene, spoken)
}
