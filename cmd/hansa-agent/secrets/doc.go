// Package secrets keeps, in Secrets of the agent's namespace, what a cluster must neither lose nor tell: the
// clusterset's CA, this cluster's identity, and the records of tokens.
//
// In: a client of the namespace's Secrets; what trust and enroll make. Out: the same again, whoever asks. The agent and the
// command line both use it, each with its own rights, so the API server is the only place where they meet.
//
// Owned here: the names of the Secrets, their labels and keys, and that two writers at once lose nothing.
package secrets
