//go:build !mutant_deaf_blames

package federation

// deafBlames is for a build that the simulator must catch: time in which nobody could be heard counts as silence.
const deafBlames = false
