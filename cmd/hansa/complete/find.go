package complete

import (
	"context"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
)

var (
	namespaceKind = corev1.SchemeGroupVersion.WithResource("namespaces")
	serviceKind   = corev1.SchemeGroupVersion.WithResource("services")
	exportKind    = mcsv1beta1.SchemeGroupVersion.WithResource("serviceexports")
	importKind    = mcsv1beta1.SchemeGroupVersion.WithResource("serviceimports")
)

// Contexts returns those of the kubeconfig.
func (s Source) Contexts(ctx context.Context, typed string) []Name {
	return s.within(ctx, func(context.Context) []Name {
		raw, err := s.config().RawConfig()
		if err != nil {
			return nil
		}
		var names []Name
		for _, name := range slices.Sorted(maps.Keys(raw.Contexts)) {
			about := ""
			if name == raw.CurrentContext {
				about = "the current one"
			}
			names = append(names, Name{name, about})
		}
		return Match(names, typed)
	})
}

// Namespaces returns those of the cluster.
func (s Source) Namespaces(ctx context.Context, typed string) []Name {
	return s.within(ctx, func(ctx context.Context) []Name {
		return Match(s.names(ctx, namespaceKind, "", typed, justName), typed)
	})
}

// Services returns those of the namespace that may be exported and are not yet; if none of them begins so, all that may be.
func (s Source) Services(ctx context.Context, typed string) []Name {
	return s.within(ctx, func(ctx context.Context) []Name {
		namespace, err := s.namespace()
		if err != nil {
			return nil
		}
		all := s.names(ctx, serviceKind, namespace, typed, exportable)
		return Fresh(all, s.names(ctx, exportKind, namespace, typed, justName), typed)
	})
}

// Exports returns the names of the ServiceExports of the namespace.
func (s Source) Exports(ctx context.Context, typed string) []Name {
	return s.within(ctx, func(ctx context.Context) []Name {
		namespace, err := s.namespace()
		if err != nil {
			return nil
		}
		return Match(s.names(ctx, exportKind, namespace, typed, justName), typed)
	})
}

// ServiceNames returns namespace/name of what is exported or imported here: as the agent knows, or else the API server.
func (s Source) ServiceNames(ctx context.Context, typed string) []Name {
	namespace, _, ok := strings.Cut(typed, "/")
	if !ok {
		namespace = ""
	}
	return s.within(ctx, func(ctx context.Context) []Name {
		if s.Agent != "" {
			return Match(s.reported(ctx, namespace), typed)
		}
		imports := s.names(ctx, importKind, namespace, typed, imported)
		exports := s.names(ctx, exportKind, namespace, typed, exported)
		return Match(slices.Concat(imports, exports), typed) // an import says more
	})
}

// reported returns the services that the agent knows of.
func (s Source) reported(ctx context.Context, namespace string) []Name {
	client, err := s.report()
	if err != nil {
		return nil
	}
	all, _ := client.Services(ctx, report.Query{Namespace: namespace})
	if all == nil {
		return nil
	}
	names := make([]Name, 0, len(all.Services))
	for _, service := range all.Services {
		names = append(names, Name{service.Namespace + "/" + service.Name, from(service.Clusters)})
	}
	return names
}

// Clusters returns the IDs of the other clusters, in a list of which given are elements already: as the agent knows, or else
// the agents' ConfigMap. Who may not read that gets those that export something into the namespace.
func (s Source) Clusters(ctx context.Context, given []string, typed string) []Name {
	return s.within(ctx, func(ctx context.Context) []Name {
		if s.Agent != "" {
			return Last(s.heard(ctx), given, typed)
		}
		names, err := s.remembered(ctx)
		if err != nil {
			names = s.exporters(ctx)
		}
		return Last(names, given, typed)
	})
}

func (s Source) heard(ctx context.Context) []Name {
	client, err := s.report()
	if err != nil {
		return nil
	}
	all, err := client.Clusters(ctx)
	if err != nil {
		return nil
	}
	var names []Name
	for _, c := range all.Clusters {
		if !c.Self {
			names = append(names, Name{string(c.Cluster), string(c.State)})
		}
	}
	return names
}

func (s Source) remembered(ctx context.Context) ([]Name, error) {
	core, err := s.core()
	if err != nil {
		return nil, err
	}
	kept, err := core.CoreV1().ConfigMaps(s.Agents).Get(ctx, state.DefaultName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	known, _ := state.Decode(kept.Data) // it is to be used whatever the error is
	names := make([]Name, 0, len(known.Clusters))
	for _, c := range known.Clusters {
		names = append(names, Name{string(c.ID), strings.Join(c.Addresses, ", ")})
	}
	return names, nil
}

func (s Source) exporters(ctx context.Context) []Name {
	namespace, err := s.namespace()
	if err != nil {
		return nil
	}
	ids := map[string]bool{}
	_ = s.each(ctx, importKind, namespace, func(o *unstructured.Unstructured) bool {
		for _, id := range clustersOf(o) {
			ids[id] = true
		}
		return len(ids) < Most
	})
	names := make([]Name, 0, len(ids))
	for id := range ids {
		names = append(names, Name{Text: id})
	}
	return names
}

// Tokens returns the IDs of the tokens that were made in this cluster.
func (s Source) Tokens(ctx context.Context, typed string) []Name {
	return s.within(ctx, func(ctx context.Context) []Name {
		core, err := s.core()
		if err != nil {
			return nil
		}
		records, _ := secrets.New(core.CoreV1().Secrets(s.Agents)).Tokens(ctx)
		names := make([]Name, 0, len(records))
		for _, r := range records {
			names = append(names, Name{r.ID.String(), tokenAbout(r)})
		}
		return Match(names, typed)
	})
}

func (s Source) core() (kubernetes.Interface, error) {
	config, err := s.rest()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}
