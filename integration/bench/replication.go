package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// replication is what it takes to hold the records of many clusters and to keep up with one: streams without a
// network between them, so that nothing but the protocol is measured.
var replication = group{
	name: "replication",
	ids: []string{
		"replication/store/endpoint", "replication/store/fill",
		"replication/patch/wire", "replication/patch/whole", "replication/patch/time",
		"replication/reconnect/unchanged", "replication/reconnect/leader", "replication/reconnect/restored",
		"replication/reconnect/one", "replication/reconnect/one/time",
	},
	alone: true,
	measure: func(_ context.Context, b *bench) ([]row, error) {
		var rows []row
		for _, measure := range []func() ([]row, error){patchRows, reconnectRows, storeRows} {
			more, err := measure()
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
		}
		return rows, nil
	},
}

const (
	manyOwners    = 99
	manyServices  = 1000
	fewEndpoints  = 10
	manyEndpoints = 5000
	manyRecords   = 10_000
)

// storeRows fills one member's Store by the streams of 99 others.
func storeRows() ([]row, error) {
	before := heap()
	began := time.Now()
	held := federation.NewStore("held")
	held.Announce(1, nil)
	for i := range manyOwners {
		id := federation.ClusterID(fmt.Sprintf("owner-%d", i))
		if _, err := newTalk(storeOf(id, manyOf(id, manyServices, fewEndpoints)...), held); err != nil {
			return nil, err
		}
	}
	took := time.Since(began)
	endpoints := manyOwners * manyServices * fewEndpoints
	size := heap() - before
	if n := len(held.NamesIn("shop")); n != manyServices {
		return nil, fmt.Errorf("%d services are held, want %d", n, manyServices)
	}
	return []row{
		{id: "replication/store/endpoint", value: float64(size) / float64(endpoints), unit: "B"},
		{id: "replication/store/fill", value: took.Seconds(), unit: "s"},
	}, nil
}

// heap is what is alive on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// patchRows changes one endpoint of a large service.
func patchRows() ([]row, error) {
	east, west := storeOf("east", recordOf("east", "web", manyEndpoints, 0)), storeOf("west")
	t, err := newTalk(east, west)
	if err != nil {
		return nil, err
	}
	whole := t.bytes
	const changes = 100
	t.bytes = 0
	began := time.Now()
	for i := range changes {
		e := recordOf("east", "web", manyEndpoints, 0)
		e.Subsets[0].Endpoints[i*37].Conditions ^= federation.Ready
		east.Set(e)
		if err := t.settle(); err != nil {
			return nil, err
		}
	}
	took := time.Since(began)
	if west.Head("east") != east.Head("east") {
		return nil, fmt.Errorf("west holds %+v of %+v", west.Head("east"), east.Head("east"))
	}
	return []row{
		{id: "replication/patch/whole", value: float64(whole), unit: "B"},
		{id: "replication/patch/wire", value: float64(t.bytes) / changes, unit: "B"},
		{id: "replication/patch/time", value: float64(took.Microseconds()) / 1000 / changes, unit: "ms"},
	}, nil
}

// reconnectRows ends a stream to who holds ten thousand records and begins a new one.
func reconnectRows() ([]row, error) {
	exports := manyOf("east", manyRecords, 2)
	east, west := storeOf("east", exports...), storeOf("west")
	if _, err := newTalk(east, west); err != nil {
		return nil, err
	}
	var rows []row
	again := func(id string, east, west *federation.Store) error {
		began := time.Now()
		t, err := newTalk(east, west)
		if err != nil {
			return err
		}
		if west.Head("east") != east.Head("east") {
			return fmt.Errorf("%s: west holds %+v of %+v", id, west.Head("east"), east.Head("east"))
		}
		rows = append(rows, row{id: id, value: float64(t.bytes), unit: "B"})
		if id == "replication/reconnect/one" {
			rows = append(rows, row{id: id + "/time", value: float64(time.Since(began).Microseconds()) / 1000, unit: "ms"})
		}
		return nil
	}
	if err := again("replication/reconnect/unchanged", east, west); err != nil {
		return nil, err
	}
	leader := federation.NewStore("east") // another agent of east, which has read the same objects
	leader.Announce(2, exports)
	if err := again("replication/reconnect/leader", leader, west); err != nil {
		return nil, err
	}
	restored := storeOf("west")
	restored.Restore("east", exports)
	if err := again("replication/reconnect/restored", leader, restored); err != nil {
		return nil, err
	}
	one := federation.NewStore("east")
	one.Announce(3, append(exports[:len(exports)-1:len(exports)-1], recordOf("east", exports[len(exports)-1].Name.Name, 3, 1<<14)))
	if err := again("replication/reconnect/one", one, west); err != nil {
		return nil, err
	}
	return rows, nil
}
