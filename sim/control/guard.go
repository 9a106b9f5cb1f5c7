package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Who may use the API. Whoever can stop a node here can spoil somebody's work, and a page in a browser can send requests to
// 127.0.0.1 too. So every route is guarded, in three ways:
//
//   - Host must be an address, or a name that is known to be this machine's: a page elsewhere whose name was made to point
//     here (DNS rebinding) has another one.
//   - Origin and Sec-Fetch-Site, which browsers send, must not tell of another site.
//   - Where others than this machine can reach the API, a bearer token is required, but for /healthz and /readyz, which tell
//     nothing.
type guard struct {
	names    []string // of this machine, in lower case
	loopback bool     // only this machine can reach the API
	token    *[sha256.Size]byte
}

func newGuard(listen string, bound netip.Addr, machine, token string) *guard {
	g := &guard{loopback: bound.IsLoopback(), names: []string{"localhost"}}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		g.names = append(g.names, strings.ToLower(host))
	}
	if !g.loopback && machine != "" {
		g.names = append(g.names, strings.ToLower(machine))
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		g.token = &sum
	}
	return g
}

// check refuses a request that must not be here; nil lets it in.
func (g *guard) check(r *http.Request) *Problem {
	if !g.knows(r.Host) {
		return refuse(ProblemForbidden, "the request is for host %q; expected localhost, or an address of this machine", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !strings.EqualFold(origin, "http://"+r.Host) {
		return refuse(ProblemForbidden, "the request comes from a page of %q, which is another site", origin)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return refuse(ProblemForbidden, "the request comes from a page of another site (Sec-Fetch-Site is %q)", site)
	}
	if g.token == nil || r.URL.Path == pathHealth || r.URL.Path == pathReady {
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(sum[:], g.token[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
		return refuse(ProblemToken, "expected the header Authorization: Bearer, with the token that risim printed or was given")
	}
	return nil
}

// knows tells whether a request's Host is this machine.
func (g *guard) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	for _, name := range g.names {
		if host == name {
			return true
		}
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (!g.loopback || addr.Unmap().IsLoopback())
}
