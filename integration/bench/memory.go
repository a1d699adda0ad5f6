package main

import "context"

// memory is what each agent has resident when everything before it was measured, in MB of 10^6 bytes.
var memory = group{name: "memory", ids: memoryIDs("memory"), measure: func(_ context.Context, b *bench) ([]row, error) { return memoryRows(b, "memory") }}

func memoryIDs(prefix string) []string {
	var ids []string
	for _, name := range clusters {
		ids = append(ids, prefix+"/"+name)
	}
	return ids
}

// memoryRows returns a row for each of memoryIDs.
func memoryRows(b *bench, prefix string) ([]row, error) {
	var rows []row
	for _, m := range b.set.Members() {
		bytes, err := m.Memory()
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{id: prefix + "/" + m.Name, value: float64(bytes) / 1e6, unit: "MB"})
	}
	return rows, nil
}
