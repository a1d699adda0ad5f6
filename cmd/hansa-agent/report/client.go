package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// Client asks one agent.
type Client struct {
	base *url.URL
	http *http.Client
}

// maxAnswer bounds what is read of one answer; the largest that an agent gives are far smaller.
const maxAnswer = 64 << 20

// NewClient returns a client of the agent at an address: host:port, or a URL that begins with http:// or https://. The
// transport brings what the agent asks of strangers; nil is for an agent on this machine.
func NewClient(address string, transport http.RoundTripper) (*Client, error) {
	text := address
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || strings.Trim(base.Path, "/") != "" || base.RawQuery != "" {
		return nil, fmt.Errorf("address %q of an agent: want host:port, or http:// or https:// and that", address)
	}
	return &Client{base: base, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// errNoHTTP is what is told of a port that answers in another language, as that of xDS does.
var errNoHTTP = errors.New("that is not an agent's --http-address; is it its --xds-address?")

// noHTTP reports whether an error of net/http is of who speaks otherwise: what it says differs by who speaks first.
func noHTTP(err error) bool {
	return strings.Contains(err.Error(), "malformed HTTP response") || strings.Contains(err.Error(), "readLoopPeekFailLocked")
}

// Refused is what an agent answers that does not give what it is asked for.
type Refused struct {
	Code    int // of HTTP
	Message string
}

// Error returns what the agent said.
func (r *Refused) Error() string { return fmt.Sprintf("the agent refuses: %s (%d)", r.Message, r.Code) }

// Status asks how the cluster and the others are.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, PathStatus, Query{})
}

// Clusters asks for all that is known of the clusters.
func (c *Client) Clusters(ctx context.Context) (*Clusters, error) {
	return get[Clusters](ctx, c, PathClusters, Query{})
}

// Services asks for the services of a query, one answer after another until it has all, or as many as the query has a
// limit. What comes or goes meanwhile may be missed.
func (c *Client) Services(ctx context.Context, q Query) (all *Services, err error) {
	err = pages(q, func(q Query) (next string, n int, err error) {
		one, err := get[Services](ctx, c, PathServices, q)
		switch {
		case err != nil:
			return "", 0, err
		case all == nil:
			all = one
		default:
			all.Services, all.Next = append(all.Services, one.Services...), one.Next
		}
		return one.Next, len(one.Services), nil
	})
	return all, err
}

// Endpoints asks for the endpoints of the services of a query, as Services does.
func (c *Client) Endpoints(ctx context.Context, q Query) (all *Endpoints, err error) {
	err = pages(q, func(q Query) (next string, n int, err error) {
		one, err := get[Endpoints](ctx, c, PathEndpoints, q)
		switch {
		case err != nil:
			return "", 0, err
		case all == nil:
			all = one
		default:
			all.Endpoints, all.Next = append(all.Endpoints, one.Endpoints...), one.Next
		}
		return one.Next, len(one.Endpoints), nil
	})
	return all, err
}

// Features asks how the switches stand.
func (c *Client) Features(ctx context.Context) (*Features, error) {
	return get[Features](ctx, c, PathFeatures, Query{})
}

// Explain asks for all that is known of one service.
func (c *Client) Explain(ctx context.Context, name federation.ServiceName) (*Explanation, error) {
	return get[Explanation](ctx, c, PathExplain, Query{Namespace: name.Namespace, Name: name.Name})
}

// XDSClients asks who is connected to the agent by xDS: of all, or in detail of those whose ID or address a query has.
func (c *Client) XDSClients(ctx context.Context, client string) (*XDS, error) {
	return get[XDS](ctx, c, PathXDS, XDSQuery{Client: client})
}

// XDSResources asks for what xDS clients are told, one answer after another until it has all, or as many as the query has a
// limit.
func (c *Client) XDSResources(ctx context.Context, q XDSQuery) (all *XDSResources, err error) {
	for limit := q.Limit; ; {
		one, err := get[XDSResources](ctx, c, PathResources, q)
		switch {
		case err != nil:
			return nil, err
		case all == nil:
			all = one
		default:
			all.Resources, all.Next = append(all.Resources, one.Resources...), one.Next
		}
		if one.Next == "" || limit > 0 && len(all.Resources) >= limit {
			return all, nil
		}
		if one.Next <= q.After {
			return nil, errors.New("the agent says that more comes before what came")
		}
		if q.After = one.Next; limit > 0 {
			q.Limit = limit - len(all.Resources)
		}
	}
}

// pages asks for one answer after another, each of which says where the next one begins and how much it has. An agent
// that goes in circles is not followed.
func pages(q Query, ask func(Query) (next string, n int, err error)) error {
	for limit, has := q.Limit, 0; ; {
		next, n, err := ask(q)
		has += n
		if err != nil || next == "" || limit > 0 && has >= limit {
			return err
		}
		at, err := ParseCursor(next)
		if err != nil {
			return fmt.Errorf("the agent says that more comes after %.100q: %w", next, err)
		}
		if c := at.Service.Compare(q.After.Service); c < 0 || c == 0 && at.Skip <= q.After.Skip {
			return errors.New("the agent says that more comes before what came")
		}
		if q.After = at; limit > 0 {
			q.Limit = limit - has
		}
	}
}

// query is what an answer is asked for by.
type query interface{ Values() url.Values }

// get asks for one answer.
func get[T any](ctx context.Context, c *Client, path string, q query) (*T, error) {
	u := *c.base
	u.Path, u.RawQuery = path, q.Values().Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking the agent: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		if noHTTP(err) {
			err = errNoHTTP
		}
		return nil, fmt.Errorf("the agent at %s does not answer: %w", c.base.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the agent at %s broke off its answer: %w", c.base.Host, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer of the agent at %s is longer than %d bytes", c.base.Host, maxAnswer)
	case response.StatusCode != http.StatusOK:
		return nil, refused(response.StatusCode, body)
	}
	answer := new(T)
	if err := json.Unmarshal(body, answer); err != nil {
		return nil, fmt.Errorf("what answers at %s is no agent of Hansa, or another version: %w", c.base.Host, err)
	}
	return answer, nil
}

// refused reads why there is no answer. Who is no agent of ours says it in other words.
func refused(code int, body []byte) error {
	var r refusal
	if json.Unmarshal(body, &r) != nil || r.Error == "" {
		r.Error = "it says " + http.StatusText(code) + ", and may be no agent of Hansa"
	}
	return &Refused{Code: code, Message: r.Error}
}
