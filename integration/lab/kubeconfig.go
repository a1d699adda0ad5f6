package lab

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a file with mode 0600 that has a context per cluster,
// the first of which is the current one.
func writeKubeconfig(path string, clusters ...*Cluster) error {
	config := api.NewConfig()
	config.CurrentContext = clusters[0].Name
	for _, cluster := range clusters {
		client := cluster.RESTConfig()
		config.Clusters[cluster.Name] = &api.Cluster{Server: client.Host, CertificateAuthorityData: client.CAData}
		config.AuthInfos[cluster.Name] = &api.AuthInfo{Token: client.BearerToken}
		config.Contexts[cluster.Name] = &api.Context{Cluster: cluster.Name, AuthInfo: cluster.Name}
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
