//go:build mutant_older_term

package federation

// olderTermAccepted is true in a build with the tag mutant_older_term: what is older than what is held is taken.
const olderTermAccepted = true
