//go:build mutant_lost_withdrawal

package federation

// withdrawalLost is true in a build with the tag mutant_lost_withdrawal: what an owner withdrew stays.
const withdrawalLost = true
