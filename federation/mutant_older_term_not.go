//go:build !mutant_older_term

package federation

// olderTermAccepted is for a build that the simulator must catch: what is older than what is held is taken.
const olderTermAccepted = false
