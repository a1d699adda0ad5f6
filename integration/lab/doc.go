// Package lab runs real Kubernetes control planes on one Linux machine, as
// ordinary processes of one user: no root, no container, no registry.
//
// In goes a list of cluster names, out comes for each an etcd and a
// kube-apiserver (and a kube-controller-manager on request) on loopback, with a
// kubeconfig of its own. [Build] makes the one binary of them all from the Go
// module in lab/kube, once for a machine; [Start] starts the clusters in
// parallel and returns when all are ready, which takes seconds. The environment
// chooses between the newest Kubernetes and the oldest that Hansa supports, see
// [KubeVariable].
//
// A [Lab] owns its processes and its directory; [Lab.Stop] ends the one and
// removes the other. A process that dies without stopping its labs, even by
// SIGKILL, takes their processes with it, and the next Start removes the
// directories it left. [Process] does that part and serves other programs too,
// [Server] those that read a file and then answer.
//
// [Program] builds any other program in the same way from a module of its own, as
// lab/coredns is, for package coredns.
//
// There are no nodes: objects are real, pods never run. Backends of Services
// listen on [MachineAddress], because an EndpointSlice may not hold loopback.
package lab
