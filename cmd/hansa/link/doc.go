// Package link makes a clusterset and lets clusters join it: what hansa init, join, token and ca do in the one cluster that
// they are called for.
//
// In: a way to that cluster with the rights of whoever calls, and what was typed. Out: the Secrets that make the cluster a
// member, and sentences on how far it is. Nothing here reaches the API server of another cluster; who joins asks the
// agents of a member. Whatever was interrupted may be done again.
package link
