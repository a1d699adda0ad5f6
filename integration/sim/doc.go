// Package sim plays whole clustersets, up to hundreds of members, in one goroutine from one seed.
//
// In: a seed. It draws a Scene: how many clusters there are and what they export, how the network is, and what goes
// wrong, when. Out: a Result, which holds what happened, how often, a hash of all of it, and the Failure if an
// invariant broke. The same seed always plays the same.
//
// What is played is real: each agent has a federation.Store and talks by the sessions of federation/stream, and what
// it concludes is importer.Merge's, and what becomes of those that it does not hear federation.Overdue's, asked when the
// importer asks. What is modelled is what lies around them:
//   - world: the clock, which is virtual, and the one queue of what is to happen
//   - network, conn, dial: streams that deliver in order or break, with delay, jitter, partitions of both directions
//     and of one, half-open streams, and two that are dialed at once. In some seeds the frames of a stream are
//     repeated and reordered, too, as no TCP does: a session may end of that, and must never take something wrong.
//   - cluster, agent, leading: an API server that remembers exports, slices, addresses and terms, its Lease, and one
//     or two agents that start, lead, follow, freeze, hang and crash
//   - faults: what goes wrong; known: clusters that leave and come back, and a second one with the ID of another; fates:
//     a cluster that is gone for long
//   - policy: what agents and exports are told of who may see what, and of patience
//
// The invariants are looked at after every step, each where what it speaks of changes:
//   - registry knows what every leader said at every version, and check compares what an agent took with it: its
//     version never goes back, each record is one that a leader of its owner wrote, the set is that of its version,
//     and nothing goes unless its owner's set lacks it
//   - check also compares what is held with who may see it, and what was concluded with what others concluded
//   - hearing knows by the frames that were delivered whom each agent heard, and when it could hear; fates compares with
//     it what the agent lets become of others: nobody is demoted or withdrawn too early, or for what is another's fault,
//     whoever is silent is in time, and whoever is heard for a minute is served
//   - address: an address stays as long as its name is there
//   - settle: once the faults stop, every agent holds what all leaders say, and they what their API servers hold, within
//     Settled; in some seeds they go on until every cluster must be served, which is Served after the last fault
//
// Owned here: all of that. Nothing but the seed decides: no wall clock, no order of a map.
package sim
