package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Client makes requests to the API of a risim process, which may be another one. It is safe for concurrent use.
type Client struct {
	// URL is where the API is, such as http://127.0.0.1:8480.
	URL string
	// Token is the bearer token that the API asks for; "" when it asks for none.
	Token string
	// HTTP makes the requests. Nil means http.DefaultClient.
	HTTP *http.Client
}

// YAML is a body that is sent as it is.
type YAML []byte

// Do makes a request to a path below Base and waits for the answer. in is the body: nil for none, a YAML, or anything else as JSON.
// out is where the answer goes: nil for nowhere, an [io.Writer] for all its bytes as they come, or a pointer to what its JSON is read
// into. header has names and values in turn. What the API refuses is a *Problem.
func (c *Client) Do(ctx context.Context, method, path string, in, out any, header ...string) error {
	var body io.Reader
	contentType := ""
	switch in := in.(type) {
	case nil:
	case YAML:
		body, contentType = bytes.NewReader(in), "application/yaml"
	default:
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("control: wording the request: %w", err)
		}
		body, contentType = bytes.NewReader(data), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+Base+path, body)
	if err != nil {
		return fmt.Errorf("control API %q: %w", c.URL, err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			err = op.Err
		}
		return fmt.Errorf("no control API answers at %s: %w", c.URL, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return refusal(resp)
	}
	switch out := out.(type) {
	case nil:
		_, err = io.Copy(io.Discard, resp.Body)
	case io.Writer:
		_, err = io.Copy(out, resp.Body)
	default:
		err = json.NewDecoder(resp.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("reading the answer of the control API at %s: %w", c.URL, err)
	}
	return nil
}

// refusal is the problem that an answer tells of.
func refusal(resp *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p := &Problem{}
	if err != nil || json.Unmarshal(data, p) != nil || p.Type == "" {
		return fmt.Errorf("%s answers %s, which a control API of risim would not", resp.Request.URL, resp.Status)
	}
	return p
}
