package complete

import "context"

// XDSClients returns the IDs of the clients that are connected by xDS to the agent that the flags name, nothing where they
// name none: to forward a port takes longer than a person waits for names.
func (s Source) XDSClients(ctx context.Context, typed string) []Name {
	return s.within(ctx, func(ctx context.Context) []Name {
		if s.Agent == "" {
			return nil
		}
		client, err := s.report()
		if err != nil {
			return nil
		}
		all, err := client.XDSClients(ctx, "")
		if err != nil {
			return nil
		}
		var names []Name
		for _, c := range all.Clients {
			names = append(names, Name{c.ID, c.Audience.Kind + " at " + c.Address})
		}
		return Match(names, typed)
	})
}
