package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// xdsFanout is what one changed endpoint takes of the CPU of the process that serves xDS, where all clients subscribe to
// all services: by ours, and by go-control-plane's LinearCache.
var xdsFanout = group{name: "xds-fanout", ids: []string{"xds-fanout"}, alone: true, measure: measureFanout}

const (
	fanoutClients  = 100
	fanoutServices = 1000
	xdsEndpoints   = 100 // of each service
	// fanoutChanges come in rounds, in which the two servers take turns: what else the machine does bears on both. There are as
	// many as it takes for garbage collections to weigh on both as they do in the long run.
	fanoutRounds  = 20
	fanoutChanges = 25 // of each round
	// fanoutRest is how long a server may go on with what a change left to do.
	fanoutRest = 200 * time.Millisecond
)

func measureFanout(ctx context.Context, b *bench) (rows []row, err error) {
	var sides [2]*fanout
	defer func() {
		for _, f := range sides {
			if f != nil {
				err = errors.Join(err, f.stop())
			}
		}
	}()
	for i, linear := range []bool{false, true} {
		if sides[i], err = startFanout(ctx, b, linear); err != nil {
			return nil, err
		}
	}
	ours, theirs := sides[0], sides[1]
	if ours.told != theirs.told {
		return nil, fmt.Errorf("the clients were told %x by ours and %x by LinearCache of the same services", ours.told.Sum, theirs.told.Sum)
	}
	for i := range 1 + fanoutRounds { // the first is not counted
		for _, f := range sides {
			if err := f.round(ctx, i > 0); err != nil {
				return nil, err
			}
		}
		fmt.Fprintf(b.progress, "xds-fanout: round %d of %d: %s and %s so far\n", i, fanoutRounds, ours.used, theirs.used)
	}
	return []row{{id: "xds-fanout", value: ours.each(), unit: "ms", baseline: baseline{"LinearCache", theirs.each()}}}, nil
}

// fanout is a server with its clients, each in a process.
type fanout struct {
	server, clients *process
	told            xdsTold
	used            time.Duration
}

func startFanout(ctx context.Context, b *bench, linear bool) (f *fanout, err error) {
	f = &fanout{}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.stop())
		}
	}()
	var address string
	f.server, err = startProcess(ctx, b, "xds-server", xdsTask{Linear: linear, Services: fanoutServices, Endpoints: xdsEndpoints, Changes: (1 + fanoutRounds) * fanoutChanges}, &address)
	if err != nil {
		return f, err
	}
	if err := f.server.ask("serve", nil); err != nil {
		return f, err
	}
	who := xdsCrowd{Address: address, Connections: fanoutClients, Names: fanoutServices, Services: fanoutServices}
	f.clients, err = startProcess(ctx, b, "xds-clients", who, &f.told)
	return f, err
}

func (f *fanout) stop() error {
	var errs []error
	for _, p := range []*process{f.clients, f.server} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(errs...)
}

// round makes changes, each when all clients were shown the one before.
func (f *fanout) round(ctx context.Context, counts bool) error {
	before, err := f.server.rested(ctx)
	if err != nil {
		return err
	}
	for range fanoutChanges {
		if err := f.server.ask("change", nil); err != nil {
			return err
		}
		if err := f.clients.ask("change", nil); err != nil {
			return err
		}
	}
	after, err := f.server.rested(ctx)
	if counts {
		f.used += after - before
	}
	return err
}

// rested returns the CPU that a process used, once it has done what was left to do.
func (p *process) rested(ctx context.Context) (time.Duration, error) {
	if err := sleep(ctx, fanoutRest); err != nil {
		return 0, err
	}
	return cpuOf(p.cmd.Process.Pid)
}

// each is the CPU of one change, in ms.
func (f *fanout) each() float64 { return milliseconds(f.used) / (fanoutRounds * fanoutChanges) }
