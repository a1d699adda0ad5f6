package agent

import (
	"cmp"
	"runtime/debug"
)

// build returns which build this is: the module's version, or the revision that it was built from.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	if v := info.Main.Version; v != "(devel)" && v != "" {
		return v
	}
	return cmp.Or(revision, "devel")
}
