package reach

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Agent is one that runs.
type Agent struct {
	Pod     string
	Address string // of this machine, forwarded to it; "" where that failed
	Err     error  // why
}

// Each forwards a port of this machine to every agent that runs, but that of the pod without, which was reached already: what
// each has of its own, the one that leads does not know. The addresses are good until stop is called, which waits until
// nothing of them is left.
func Each(ctx context.Context, config *rest.Config, namespace, without string) (list []Agent, stop func(), err error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}
	pods, err := agents(ctx, core, namespace)
	if err != nil {
		return nil, nil, err
	}
	pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool { return p.Name == without })
	list = make([]Agent, len(pods))
	ends := make([]func(), len(pods))
	var work sync.WaitGroup
	for i := range pods {
		a := &list[i]
		a.Pod = pods[i].Name
		work.Go(func() { a.Address, ends[i], a.Err = forward(ctx, config, core, &pods[i]) })
	}
	work.Wait()
	return list, func() {
		for _, end := range ends {
			if end != nil {
				end()
			}
		}
	}, nil
}
