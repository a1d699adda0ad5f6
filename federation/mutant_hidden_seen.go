//go:build mutant_hidden_seen

package federation

// hiddenSeen is true in a build with the tag mutant_hidden_seen: every cluster may see all records.
const hiddenSeen = true
