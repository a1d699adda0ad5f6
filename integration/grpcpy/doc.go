// Package grpcpy runs proxyless gRPC applications in Python, whose gRPC is the implementation in C that those in C++, Ruby
// and PHP are made of too, and has nothing in common with Go's: [Fetch] installs it, once for a machine, [Find] says where
// it is, and [Start] runs an application.
//
// In: a bootstrap, and a target to dial. Out: a User, each of whose calls is one request to a backend of package echo.
// Owned here: the installed wheels, which are those of requirements.txt and no others, and the processes.
//
// Not every machine has a Python, and can install. So who needs it and has it not skips, and says so.
package grpcpy
