package agent

import (
	"errors"

	"github.com/hansa-mcs/hansa/federation"
)

// policies returns the lists of rules with their flags.
func (o *Options) policies() []struct {
	flag  string
	rules []string
} {
	return []struct {
		flag  string
		rules []string
	}{
		{"export-namespaces", o.ExportNamespaces}, {"export-deny-namespaces", o.ExportDenyNamespaces},
		{"import-namespaces", o.ImportNamespaces}, {"import-deny-namespaces", o.ImportDenyNamespaces},
	}
}

// checkPolicies tells bad of each rule that is none.
func (o *Options) checkPolicies(bad func(flag, value string, err error)) {
	for _, p := range o.policies() {
		for _, text := range p.rules {
			_, err := federation.ParseNamespaceRule(text)
			bad(p.flag, text, errors.Unwrap(err))
		}
	}
}

// checkQuiet tells bad of times that are none, or in the wrong order.
func (o *Options) checkQuiet(bad func(flag, value string, err error)) {
	if o.DemoteAfter < 0 {
		bad("demote-after", o.DemoteAfter.String(), errors.New("want "+aDuration+", or 0"))
	}
	if o.WithdrawAfter < 0 || o.WithdrawAfter != 0 && o.WithdrawAfter < o.DemoteAfter {
		bad("withdraw-after", o.WithdrawAfter.String(), errors.New("want at least the "+o.DemoteAfter.String()+" of --demote-after, or 0 for never"))
	}
}

// patience returns how long silent clusters are waited for. The Options are valid.
func (o *Options) patience() federation.Patience {
	return federation.Patience{Demote: o.DemoteAfter, Withdraw: o.WithdrawAfter}
}

// exportPolicy returns what other clusters may see of this one. The Options are valid.
func (o *Options) exportPolicy() federation.Namespaces {
	return federation.Namespaces{Allow: rules(o.ExportNamespaces), Deny: rules(o.ExportDenyNamespaces)}
}

// importPolicy returns what this cluster takes from others. The Options are valid.
func (o *Options) importPolicy() federation.Namespaces {
	return federation.Namespaces{Allow: rules(o.ImportNamespaces), Deny: rules(o.ImportDenyNamespaces)}
}

func rules(list []string) []federation.NamespaceRule {
	var out []federation.NamespaceRule
	for _, text := range list {
		if r, err := federation.ParseNamespaceRule(text); err == nil {
			out = append(out, r)
		}
	}
	return out
}
