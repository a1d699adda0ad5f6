package agent

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/exporter"
)

// featureGatesUsage says which gates there are.
func featureGatesUsage() string {
	var list []string
	for _, d := range features.Definitions() {
		list = append(list, fmt.Sprintf("%s (%t unless said otherwise; environment %s)", d.Gate, d.Default, strings.Join(d.Environment, " or ")))
	}
	return "gates, each <name>=true or =false: " + strings.Join(list, ", ") + "; goes before the environment, and ConfigMap " + features.ConfigMap + " of --namespace, which is watched, goes before both; may be given several times"
}

// gates returns what the Options, and the environment if there is one, say of the gates, the weakest first. The error
// names every mistake and every combination that cannot be.
func (o *Options) gates() ([]features.Layer, error) {
	environment := features.Layer{Origin: features.FromEnvironment}
	var err error
	if o.Getenv != nil {
		environment, err = features.ReadEnvironment(o.Getenv)
	}
	flag, wrong := features.ParseFlag(o.FeatureGates)
	for _, fault := range lines(wrong) {
		err = errors.Join(err, fmt.Errorf("--%s: %w", features.Flag, fault))
	}
	if err != nil {
		return nil, err
	}
	layers := []features.Layer{environment, flag}
	_, faults := features.Resolve(time.Time{}, layers...)
	return layers, errors.Join(faults...)
}

// lines returns the errors that were joined, none of nil.
func lines(err error) (list []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		list = append(list, lines(e)...)
	}
	return list
}

// checkFeatures tells bad of what is wrong with how Services are chosen, and returns what is wrong with the gates.
func (o *Options) checkFeatures(bad func(flag, value string, err error)) (errs []error) {
	if _, err := o.gates(); err != nil {
		errs = append(errs, lines(err)...)
	}
	_, err := labels.Parse(o.AutoExportNamespaceSelector)
	bad("auto-export-namespace-selector", o.AutoExportNamespaceSelector, selectorMistake(err))
	_, err = labels.Parse(o.AutoExportServiceSelector)
	bad("auto-export-service-selector", o.AutoExportServiceSelector, selectorMistake(err))
	if _, err := parseDomain(o.ClusterDomain); err != nil {
		bad("cluster-domain", o.ClusterDomain, err)
	} else if _, err := exporter.ParseLocals(o.ClusterDomain, o.Namespace, o.ClusterLocal); err != nil {
		errs = append(errs, fmt.Errorf("--cluster-local: %w", err))
	}
	return errs
}

func selectorMistake(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("want a label selector such as team=shop or tier in (web, api): %w", err)
}

// locals returns which Services stay in this cluster. The Options are valid.
func (o *Options) locals() exporter.Locals {
	l, _ := exporter.ParseLocals(o.ClusterDomain, o.Namespace, o.ClusterLocal)
	return l
}

// autoRules returns which Services auto-export exports. The Options are valid.
func (o *Options) autoRules() exporter.AutoRules {
	namespaces, _ := labels.Parse(o.AutoExportNamespaceSelector)
	services, _ := labels.Parse(o.AutoExportServiceSelector)
	return exporter.AutoRules{Namespaces: namespaces, Services: services, Locals: o.locals(), Policy: o.exportPolicy()}
}
