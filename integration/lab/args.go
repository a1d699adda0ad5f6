package lab

import (
	"fmt"
	"strings"
)

// Sockets of etcd, relative to the cluster's directory, in which both etcd and
// the API server run: nobody else can open them, and no path is too long for a
// socket. etcd insists on the form host:port.
const (
	etcdSocket = "etcd:0"
	peerSocket = "peer:0"
)

// etcdArgs leave fsync out: nobody needs a lab's data after a power failure, and
// it makes writes several times faster.
func (c *Cluster) etcdArgs() []string {
	return []string{
		"--name=" + c.Name,
		"--data-dir=etcd",
		"--listen-client-urls=unix://" + etcdSocket,
		"--advertise-client-urls=unix://" + etcdSocket,
		"--listen-peer-urls=unix://" + peerSocket,
		"--initial-advertise-peer-urls=unix://" + peerSocket,
		"--initial-cluster=" + c.Name + "=unix://" + peerSocket,
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

// apiServerArgs leave the watch caches and the priority queues as Kubernetes has
// them: what is tested against them shall meet the same on a real cluster.
func (c *Cluster) apiServerArgs() []string {
	ranges := make([]string, len(c.services))
	for i, services := range c.services {
		ranges[i] = services.String()
	}
	args := []string{
		"--etcd-servers=unix://" + etcdSocket,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.port.number),
		"--permit-port-sharing", // with the socket that keeps the port for it.
		"--advertise-address=" + c.advertise.String(),
		"--service-cluster-ip-range=" + strings.Join(ranges, ","),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.credentials.file("sa.key"),
		"--service-account-signing-key-file=" + c.credentials.file("sa.key"),
		"--tls-cert-file=" + c.credentials.file("serving.crt"),
		"--tls-private-key-file=" + c.credentials.file("serving.key"),
		"--token-auth-file=" + c.credentials.file("tokens.csv"),
		"--authorization-mode=RBAC",
		"--allow-privileged",
		"--profiling=false",
	}
	if !c.manager {
		// Nothing makes service accounts, and without them pods would be refused.
		args = append(args, "--disable-admission-plugins=ServiceAccount")
	}
	return args
}

// controllerArgs leave its own port out: there is nobody to ask it anything.
func (c *Cluster) controllerArgs() []string {
	return []string{
		"--kubeconfig=" + c.Kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--root-ca-file=" + c.credentials.file("ca.crt"),
		"--service-account-private-key-file=" + c.credentials.file("sa.key"),
	}
}
