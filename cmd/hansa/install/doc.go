// Package install puts the agents into a cluster and takes them out of it, as a release of the chart that Helm itself
// knows: helm upgrade, helm history and helm uninstall go on working.
//
// In go a way to the cluster and the chart's values; out come a release in the agents' namespace and sentences on how far it
// is. Whatever it does may be done again: what is as it should be is left alone, and what is missing is made.
package install
