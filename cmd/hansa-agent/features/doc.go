// Package features is the switch on the control plane: which gates there are, who may turn them, and how they stand.
//
// In: what each source says, from the weakest to the strongest: the environment, under the names that mesh users know;
// the flag --feature-gates; and the ConfigMap, at run time. Out: how each gate stands, by whose word and since when, and
// what is wrong with what was said. All of it is pure; whoever calls reads the sources and obeys.
package features
