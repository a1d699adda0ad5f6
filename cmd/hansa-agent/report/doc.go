// Package report is what an agent says of itself and of the clusterset, to people.
//
// In: a Scene, which is what an agent knows at one time, its Store and View included. Out: the answers Status, Clusters,
// Services, Endpoints, Explanation, XDS and XDSResources, each a function of the Scene, whose JSON names stay; a Handler that
// serves them, to be read and nothing else; and a Client that reads them.
//
// Owned here: the words in which it is said where an endpoint comes from, how old that is, and why it is served or not.
// What this agent cannot know is not said: no number is better than a comforting one.
package report
