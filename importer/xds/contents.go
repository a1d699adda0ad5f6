package xds

// The contents that are wholly said by a comparable value. Those of assignments and routes have files of their own.

func (c clusterSpec) equal(o content) bool { return o == c }

func (c clusterSpec) narrow(a Audience) Audience { return Audience{Kind: a.Kind} }

func (c clusterSpec) encode(a Audience) (*body, error) { return pack(c.name, c.message(a.Kind)) }

func (l apiListener) equal(o content) bool { return o == l }

func (l apiListener) narrow(a Audience) Audience { return Audience{Kind: a.Kind} }

// encode has nothing for Envoy, which would refuse a listener without an address.
func (l apiListener) encode(a Audience) (*body, error) {
	if a.Kind == Envoy {
		return nil, nil
	}
	return pack(l.name, l.message())
}

// egress is the listener of Envoy for HTTP: each has it where its own node says.
type egress struct{}

func (e egress) equal(o content) bool { return o == e }

func (e egress) narrow(a Audience) Audience { return Audience{Kind: a.Kind, Egress: a.Egress} }

func (e egress) encode(a Audience) (*body, error) {
	if a.Kind != Envoy || !a.Egress.IsValid() {
		return nil, nil
	}
	return pack(EgressName, egressListener{address: a.Egress}.message())
}
