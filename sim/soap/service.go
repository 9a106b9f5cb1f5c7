package soap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// Path is where a Unified CM serves RisPort70 (rule H1).
const Path = "/realtimeservice2/services/RISService70"

// Config is all that a service needs.
type Config struct {
	Store    *cluster.Store
	Settings Settings // the zero value is the profile documented
	Users    []User   // who may log in; at least one

	// WSDL gives the contract with an address in it. Required.
	WSDL func(address string) []byte
	// Now is the simulated time. Required.
	Now func() time.Time
	// Wait lets simulated time pass, for a node that does not respond (rule R5), and ends early with an error when ctx
	// does. Nil never waits.
	Wait func(ctx context.Context, d time.Duration) error
	// KnownModel tells whether a typemodel number exists, for advice. Nil takes every number for known.
	KnownModel func(number uint32) bool
	// Seed is of the session ids: the same seed and the same order of log-ins give the same ids.
	Seed uint64
	// Elapsed is how much time of the wall has passed since a moment that is always the same, for Exchange.Took. Nil:
	// nothing is measured.
	Elapsed func() time.Duration
	// Impair is asked once for every exchange but those for the contract, when it is known who asks for what or why that
	// is refused, and before the rate limit counts it: what trouble befalls it. Nil, as a nil Trouble, means none.
	Impair func(*Exchange) *Trouble
	// Observe is called once for every exchange, on its goroutine, when the answer is ready to
	// be sent. Nil: nobody listens.
	Observe func(*Exchange)
	// Send writes the body of an answer, whose header and status are with w already, and must not keep it. Nil: as w.Write
	// does.
	Send func(w http.ResponseWriter, r *http.Request, body []byte)
}

// Service is RisPort70 of one cluster. It is safe for concurrent use.
type Service struct {
	cfg      Config
	settings atomic.Pointer[Settings]
	users    atomic.Pointer[users]
	sessions *sessions
	throttle throttle
	origins  *origins
	clients  *clients
	scratch  sync.Pool // of *scratch
	dates    dates
	lengths  lengths
}

// New makes a service. It reports everything wrong with the Config together.
func New(c Config) (*Service, error) {
	s := &Service{cfg: c, sessions: newSessions(c.Seed), origins: newOrigins(), clients: newClients()}
	s.scratch.New = func() any { return new(scratch) }
	var errs []error
	need := func(given bool, what string) {
		if !given {
			errs = append(errs, fmt.Errorf("soap: Config has no %s", what))
		}
	}
	need(c.Store != nil, "Store")
	need(c.WSDL != nil, "WSDL")
	need(c.Now != nil, "Now")
	errs = append(errs, s.SetSettings(c.Settings), s.SetUsers(c.Users))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Settings gives the settings in force.
func (s *Service) Settings() Settings { return *s.settings.Load() }

// SetSettings puts other settings in force, for the requests that come from now on; when they are not valid it
// changes nothing and says why.
func (s *Service) SetSettings(set Settings) error {
	set = set.orDefault()
	if err := set.Validate(); err != nil {
		return fmt.Errorf("service settings: %w", err)
	}
	s.settings.Store(&set)
	return nil
}

// SetUsers puts another table of users in force. A session lets nobody in while its user is not in the table, and roles are those of
// the table; a session outlasts a change of password. When the table is not valid it changes nothing and says everything that is wrong.
func (s *Service) SetUsers(list []User) error {
	table, err := newUsers(list)
	if err != nil {
		return fmt.Errorf("service users: %w", err)
	}
	s.users.Store(&table)
	return nil
}

// ExpireSessions ends the sessions of a user, or of everybody when user is empty, as if their idle time-out had
// passed (rule H6). It says how many.
func (s *Service) ExpireSessions(user string) int { return s.sessions.expire(user) }

// EndSession ends the session of which a request has the cookie, as if its idle time-out had passed (rule H6). It says
// whether there was one.
func (s *Service) EndSession(r *http.Request) bool { return s.sessions.end(sessionIDs(nil, r)) }

// Forget puts the service back as it was before the first request: nobody has logged in, nothing counts for the rate limit, and no
// StateInfo and no advice is remembered. Session ids go on, so that no cookie of before is ever another's.
func (s *Service) Forget() {
	s.sessions.forget()
	s.throttle.forget()
	s.origins.forget()
	s.clients.forget()
}

// RateUse is how far the rate limit is used up (rule T1).
type RateUse struct {
	Limit int                      // requests that a window lets pass; 0: any number, and none are counted
	Used  map[cluster.NodeName]int // requests that count in the present window; the key is "" when they count for the whole cluster
}

// RateUse tells how far the rate limit is used up now.
func (s *Service) RateUse() RateUse {
	set := s.settings.Load()
	return RateUse{set.rateLimit, s.throttle.use(s.cfg.Now(), set)}
}

// Exchange is one request and what became of it. An observer copies what it wants to keep: when it has returned, the memory of an
// exchange is used for another one.
type Exchange struct {
	Seq       uint64           // the observer's number for the exchange, which Advised tells; 0 when it gives none
	Number    uint64           // which it is to whoever counts exchanges; the service leaves it 0
	Started   time.Time        // simulated time of the request's arrival
	Answered  time.Time        // simulated time at which the answer was ready
	Took      time.Duration    // the same time by the wall; 0 without Config.Elapsed
	Node      cluster.NodeName // that received the request
	NodeAsked string           // the query's NodeName as sent; empty for all
	Operation Operation
	Contract  bool          // the request was for the contract: ?wsdl
	HTTP      *http.Request // headers, URL and context; its body has been read
	Client    string        // address and port
	UserAgent string
	User      string // as sent with the request, or of its session; not authenticated when HTTPStatus is 401
	Login     Login
	InSession bool // the request came in a live session of its user

	// RequestBody is what was read of the request's body, after gzip is undone; ResponseBody is the answer's. AnswerType is the
	// answer's Content-Type, and AnswerHeader one more header that it has, name and value; empty when it has none.
	RequestBody, ResponseBody []byte
	AnswerType                string
	AnswerHeader              [2]string

	Request  *Request // nil when none could be decoded
	StateIn  string   // StateInfo of the request
	StateOut string   // StateInfo of the answer, before it was made a string
	Verdict  cluster.Verdict

	Limit    int // results at the most: what the request asked for, or the service's limit
	Found    int // as the answer's total says
	Returned int // devices or CTI items in the answer
	// Truncated says that the answer reached Limit, so that more may have matched. Nothing in the answer tells (rule
	// Q2).
	Truncated       bool
	SnapshotVersion uint64 // of the cluster that was asked; 0 when none was

	HTTPStatus                  int    // 0: nothing was answered, which only an impairment can bring about
	Fault                       *Fault // nil for everything but SOAP faults
	Advice                      []Advice
	RequestBytes, ResponseBytes int      // of the bodies; a request's is counted after gzip is undone
	Panic                       string   // what went wrong in the simulator itself, with the stack; empty otherwise
	Impaired                    []Firing // nil for an exchange that no impairment hit

	began   time.Duration // Config.Elapsed at the arrival
	silent  bool          // a node that was asked does not respond
	trouble *Trouble
	asked   uint64  // the query as a number, by origins; 0 when none was answered
	client  *client // who asks; nil until clients knows
	cut     bool    // clients waits for a narrower query
}

func (x *Exchange) advise(id string, value ...any) {
	x.Advice = append(x.Advice, advise(id, value...))
}

// begin is what is known of an exchange before anything is read.
func (s *Service) begin(mem *scratch, r *http.Request, node cluster.NodeName) *Exchange {
	var began time.Duration
	if s.cfg.Elapsed != nil {
		began = s.cfg.Elapsed()
	}
	mem.exchange = Exchange{
		began:     began,
		Started:   s.cfg.Now(),
		Node:      node,
		HTTP:      r,
		Client:    r.RemoteAddr,
		UserAgent: r.UserAgent(),
		Advice:    mem.advice[:0],
	}
	return &mem.exchange
}

// receiver is the node as which a handler answers: the publisher when none is named.
func (s *Service) receiver(node cluster.NodeName) cluster.NodeName {
	if node == "" {
		node = s.cfg.Store.Snapshot().Nodes()[0].Name
	}
	return node
}

// Handler serves RIS as a node of the cluster does; "" is the publisher. It takes every path that it is given:
// choosing the handler is the router's matter.
func (s *Service) Handler(node cluster.NodeName) http.Handler {
	node = s.receiver(node)
	answer := s.answer
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.exchange(w, r, node, answer)
	})
}

// NotFound answers whatever is asked of a node, "" for the publisher, with the 404 page (rule H7).
func (s *Service) NotFound(node cluster.NodeName) http.Handler {
	node = s.receiver(node)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.exchange(w, r, node, func(x *Exchange, _ *scratch) (*reply, *refusal) {
			if strings.Contains(strings.ToLower(r.URL.Path), "/realtimeservice/services/risport") {
				x.advise(AdviceDeprecatedPath, quoted(r.URL.Path))
			}
			if instead := s.impair(x); instead != nil {
				return nil, instead
			}
			return nil, &refusal{status: http.StatusNotFound}
		})
	})
}
