package soap

import (
	"net/http"
	"strings"
)

// Trouble is what impairments make of one exchange: the simulator's doing, and nothing that a Unified CM would do. Silent,
// Status and Fault take the place of the answer, and of a refusal too: of them at most one is given. What stands in for the
// answer is not made from the cluster, starts no session, and is nothing that the rate limit counts (rule T3).
type Trouble struct {
	Silent bool   // nothing is answered
	Status int    // of HTTP, with its page; 0: none
	Fault  *Fault // nil: none

	// Deliver is called when the answer is ready, before the exchange is observed. It may note in the exchange what will be
	// sent, and gives the function that sends it, which must not use the exchange any more; the headers are set by then.
	// Required.
	Deliver func(x *Exchange, status int, body []byte) (send func(http.ResponseWriter))
}

// Firing is one impairment that hit an exchange.
type Firing struct {
	ID  string
	Did string // what it did, in a few words
}

// String is the impairment's id and, in brackets, what it did.
func (f Firing) String() string { return f.ID + " (" + f.Did + ")" }

// XML is the text of a request that could be decoded, in UTF-8 and without a declaration, which may name another charset; empty
// for any other request.
func (x *Exchange) XML() string {
	if x.Request == nil {
		return ""
	}
	text, _ := bodyText(x.RequestBody, x.HTTP.Header.Get("Content-Type"))
	if rest, ok := strings.CutPrefix(text, "<?xml"); ok && isSpaceByte(rest[0]) {
		_, text, _ = strings.Cut(rest, "?>")
	}
	return text
}

// InjectedFault makes a fault of anyone's own words. Its name is FaultInjected.
func InjectedFault(code, text string) *Fault {
	f := &Fault{Name: FaultInjected, Code: code, String: text}
	if strings.HasPrefix(code, "ns1:") {
		f.CodeNS = axisNS
	}
	return f
}

// impair asks what trouble befalls an exchange, and gives what takes the place of its answer; nil for nothing.
func (s *Service) impair(x *Exchange) *refusal {
	if s.cfg.Impair == nil {
		return nil
	}
	t := s.cfg.Impair(x)
	x.trouble = t
	switch {
	case t == nil:
		return nil
	case t.Silent:
		return &refusal{silent: true}
	case t.Fault != nil:
		return &refusal{fault: t.Fault}
	case t.Status == http.StatusUnauthorized:
		return unauthorized(s.settings.Load().realm)
	case t.Status == http.StatusMethodNotAllowed:
		return methodNotAllowed(false)
	case t.Status != 0:
		return &refusal{status: t.Status}
	}
	return nil
}

// bodyless says that an answer of a status has no body, by HTTP's rules.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}
