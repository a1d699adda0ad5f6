package corefile

// Role is what CoreDNS needs to read what the agents write beside what it may read anyway, as kubectl takes it: a ClusterRole
// of its own, as an upgrade of CoreDNS writes system:coredns anew. The account is that of CoreDNS as kubeadm and most others
// install it.
const Role = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: hansa-coredns
rules:
  - apiGroups: [multicluster.x-k8s.io]
    resources: [serviceimports]
    verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: hansa-coredns
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: hansa-coredns
subjects:
  - kind: ServiceAccount
    name: coredns
    namespace: kube-system
`
