package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

// clusterProperties are the kind's group and plural; its version is what the CRD says.
var clusterProperties = schema.GroupResource{Group: "about.k8s.io", Resource: "clusterproperties"}

// properties watches the ClusterProperties that must agree with the agent's flags. It writes none: init,
// join and the chart do. What cannot be read contradicts nothing.
type properties struct {
	claims      []claim
	definitions *apiextensions.ApiextensionsV1Client
	values      dynamic.Interface
	log         *slog.Logger
	settled     chan struct{}

	mu        sync.Mutex
	conflicts map[string]string // by property, how it contradicts its flag
	unread    map[string]bool   // what we have said cannot be read
}

func newProperties(c *rest.Config, claims []claim, log *slog.Logger) (*properties, error) {
	definitions, err := apiextensions.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	values, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for ClusterProperties: %w", err)
	}
	return &properties{
		claims: claims, definitions: definitions, values: values, log: log,
		settled: make(chan struct{}), conflicts: map[string]string{}, unread: map[string]bool{},
	}, nil
}

// Settled is closed once the properties were read, or are known to be absent or unreadable. Without an
// answer of the API server that takes for ever.
func (p *properties) Settled() <-chan struct{} { return p.settled }

// Err returns the contradictions between properties and flags, each on a line of its own.
func (p *properties) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.claims {
		if message := p.conflicts[c.property]; message != "" {
			errs = append(errs, errors.New(message))
		}
	}
	return errors.Join(errs...)
}

// contradicted reports whether a property contradicts its flag now.
func (p *properties) contradicted(property string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conflicts[property] != ""
}

// Start watches until ctx ends: first the CRD, which may come, change its versions and go, and through it
// the properties.
func (p *properties) Start(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	versions := make(chan string)
	definition := p.definition(func(version string) {
		select {
		case versions <- version:
		case <-ctx.Done():
		}
	})
	group.Go(func() error { return definition.run(ctx) })
	group.Go(func() error { return p.follow(ctx, versions, definition.settled) })
	return group.Wait()
}

// definition follows the CRD and tells the version to read it at, "" for none.
func (p *properties) definition(tell func(version string)) *follower {
	name := clusterProperties.String()
	return &follower{
		informer: toolscache.NewSharedIndexInformer(oneCRD(p.definitions, name), &apiextensionsv1.CustomResourceDefinition{}, 0, nil),
		see:      func(obj any) { tell(propertyVersion(obj)) },
		blind:    func(err error) { p.miss("CRD "+name, err) },
		settled:  make(chan struct{}),
	}
}

// propertyVersion returns at which version to read what a CRD defines: v1beta1 as long as it is served.
func propertyVersion(obj any) string {
	definition, ok := obj.(*apiextensionsv1.CustomResourceDefinition)
	if !ok || !established(definition) {
		return ""
	}
	served := servedVersions(definition)
	if slices.Contains(served, "v1beta1") {
		return "v1beta1"
	}
	return append(served, "")[0]
}

// follow follows the properties at the version that is served, whichever that is. known closes when the
// CRD was read.
func (p *properties) follow(ctx context.Context, versions <-chan string, known <-chan struct{}) error {
	for version := ""; ctx.Err() == nil; {
		if version == "" {
			for _, c := range p.claims {
				p.hear(c, "")
			}
			version = p.await(ctx, version, versions, known)
			continue
		}
		group, inner := errgroup.WithContext(ctx)
		inner, stop := context.WithCancel(inner)
		known = p.watch(inner, group, version)
		version = p.await(inner, version, versions, known)
		stop()
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// await waits for another version than the one that is followed. Meanwhile it settles once that is known.
func (p *properties) await(ctx context.Context, version string, versions <-chan string, known <-chan struct{}) string {
	for {
		select {
		case v := <-versions:
			if v != version {
				return v
			}
		case <-known:
			known = nil
			select {
			case <-p.settled:
			default:
				close(p.settled)
			}
		case <-ctx.Done():
			return version
		}
	}
}

// watch follows each property in group until ctx ends. The channel closes once each was read.
func (p *properties) watch(ctx context.Context, group *errgroup.Group, version string) <-chan struct{} {
	var all []*follower
	for _, c := range p.claims {
		f := p.property(c, version)
		all = append(all, f)
		group.Go(func() error { return f.run(ctx) })
	}
	known := make(chan struct{})
	group.Go(func() error {
		for _, f := range all {
			select {
			case <-f.settled:
			case <-ctx.Done():
				return nil
			}
		}
		close(known)
		return nil
	})
	return known
}

// property follows one property by its name, which is all that the agent may read.
func (p *properties) property(c claim, version string) *follower {
	named := func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", c.property).String()
	}
	return &follower{
		informer: dynamicinformer.NewFilteredDynamicInformer(p.values, clusterProperties.WithVersion(version), "", 0, nil, named).Informer(),
		see: func(obj any) {
			value := ""
			if o, ok := obj.(*unstructured.Unstructured); ok {
				value, _, _ = unstructured.NestedString(o.Object, "spec", "value")
			}
			p.hear(c, value)
		},
		blind:   func(err error) { p.miss("ClusterProperty "+c.property, err) },
		settled: make(chan struct{}),
	}
}

// hear takes what a property says, "" for nothing. A contradiction takes nothing down: who started the
// agent has to act, and is told until the property changes or the agent starts again.
func (p *properties) hear(c claim, says string) {
	message := c.contradiction(says)
	p.mu.Lock()
	before := p.conflicts[c.property]
	p.conflicts[c.property] = message
	p.mu.Unlock()
	select {
	case <-p.settled:
	default:
		return // Run returns it
	}
	switch message {
	case before:
	case "":
		p.log.Info("a ClusterProperty agrees with its flag again", "property", c.property)
	default:
		p.log.Error("a ClusterProperty contradicts its flag; services go on, but the agent will refuse to start again", "property", c.property, "error", message)
	}
}

// miss warns, once for each thing, that it cannot be read.
func (p *properties) miss(what string, err error) {
	p.mu.Lock()
	said := p.unread[what]
	p.unread[what] = true
	p.mu.Unlock()
	if !said {
		p.log.Warn("cannot read what must agree with --cluster and --clusterset; going on without (docs/roles.yaml has the role that is needed)", "object", what, "error", err)
	}
}
