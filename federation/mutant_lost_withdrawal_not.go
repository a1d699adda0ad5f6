//go:build !mutant_lost_withdrawal

package federation

// withdrawalLost is for a build that the simulator must catch: what an owner withdrew stays.
const withdrawalLost = false
