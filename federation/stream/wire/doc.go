// Package wire holds the messages of the federation stream, generated from wire.proto. Only
// federation/stream reads and writes them.
package wire

//go:generate go run ./protogen wire.proto
