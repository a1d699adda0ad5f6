package agent

import (
	"errors"
	"strconv"

	"github.com/spf13/pflag"
)

// xdsPlain is the value of XDSTLS that says: in the clear, and I mean it.
const xdsPlain = "none"

func (o *Options) addXDSFlags(f *pflag.FlagSet) {
	f.StringVar(&o.XDSAddress, "xds-address", o.XDSAddress, "host:port on which xDS is served; without it there is no xDS")
	f.StringVar(&o.XDSTLS, "xds-tls", o.XDSTLS, "how xDS is protected; the one value is \"none\": in the clear, so let only clients that may see everything reach --xds-address")
	f.IntVar(&o.XDSMaxClients, "xds-max-clients", o.XDSMaxClients, "most clients that may be connected to this agent by xDS; those beyond are turned away, and may ask another agent of the cluster")
}

// checkXDS tells bad of what is wrong with how xDS is served.
func (o *Options) checkXDS(bad func(flag, value string, err error)) {
	if o.XDSAddress != "" {
		bad("xds-address", o.XDSAddress, checkListen(o.XDSAddress))
	}
	bad("xds-tls", o.XDSTLS, o.checkXDSTLS())
	if o.XDSMaxClients < 1 {
		bad("xds-max-clients", strconv.Itoa(o.XDSMaxClients), errors.New("want a number from 1"))
	}
}

func (o *Options) checkXDSTLS() error {
	switch {
	case o.XDSTLS == "" && o.XDSAddress == "":
		return nil
	case o.XDSTLS != xdsPlain:
		return errors.New(`want "none", which says that xDS is served in the clear; TLS is not built yet`)
	case o.XDSAddress == "":
		return errors.New("want --xds-address too, without which there is no xDS")
	}
	return nil
}
