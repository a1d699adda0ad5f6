package main

import "context"

// memory is what each agent has resident when everything before it was measured, in MB of 10^6 bytes.
var memory = group{ids: []string{"memory/east", "memory/west"}, measure: measureMemory}

func measureMemory(_ context.Context, b *bench) ([]row, error) {
	var rows []row
	for _, m := range b.set.Members() {
		bytes, err := m.Memory()
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{id: "memory/" + m.Name, value: float64(bytes) / 1e6, unit: "MB"})
	}
	return rows, nil
}
