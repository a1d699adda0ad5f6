package exporter

import (
	"maps"
	"slices"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// maxKeys bounds how many bytes of a message name keys.
const maxKeys = 300

// leftOut says which exported labels and annotations importers will leave out as reserved (E8), "" if none: on
// the importing side nobody knows that they lack.
func leftOut(e *federation.Export) string {
	var list []string
	for _, pairs := range []struct {
		field string
		of    map[string]string
	}{{"exportedLabels", e.Labels}, {"exportedAnnotations", e.Annotations}} {
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(pairs.of)), func(k string) bool { return !federation.Reserved(k) })
		if len(keys) > 0 {
			list = append(list, pairs.field+" "+clip(strings.Join(keys, ", "), maxKeys))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "reserved keys that importers leave out: " + strings.Join(list, "; ")
}
