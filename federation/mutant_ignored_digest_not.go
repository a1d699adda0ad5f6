//go:build !mutant_ignored_digest

package federation

// digestIgnored is for a build that the simulator must catch: an update is taken whatever it leads to.
const digestIgnored = false
