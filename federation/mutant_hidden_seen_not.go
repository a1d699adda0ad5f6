//go:build !mutant_hidden_seen

package federation

// hiddenSeen is for a build that the simulator must catch: every cluster may see all records.
const hiddenSeen = false
