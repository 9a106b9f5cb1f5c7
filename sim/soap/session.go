package soap

import (
	"container/list"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// SessionCookieName is the cookie of rule H6.
const SessionCookieName = "JSESSIONIDSSO"

// keptSessions bounds the table of sessions. When it is full the one that was unused for longest is forgotten: its
// cookie is then unknown, which is to say ignored (simulator's choice).
const keptSessions = 10_000

// sessions remembers who has logged in. It is safe for concurrent use.
type sessions struct {
	mu     sync.Mutex
	ids    *rand.PCG
	byID   map[string]*list.Element
	recent list.List // of *session, the one used last in front
}

type session struct {
	id, user string
	used     time.Time // last
	expired  bool
}

func newSessions(seed uint64) *sessions {
	return &sessions{ids: rand.NewPCG(seed, 0x4a53455353494f4e), byID: map[string]*list.Element{}}
}

type sessionState uint8

const (
	sessionUnknown sessionState = iota // no cookie, or one that was never issued or is forgotten
	sessionLive
	sessionExpired
)

// use looks up the ids that a request carries and marks the session as used now. A live session outweighs an expired
// one; an expired one stays expired. idle 0 means that sessions last.
func (t *sessions) use(ids []string, now time.Time, idle time.Duration) (user string, state sessionState) {
	if len(ids) == 0 {
		return "", sessionUnknown
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		e := t.byID[id]
		if e == nil {
			continue
		}
		s := e.Value.(*session)
		if idle > 0 && now.Sub(s.used) > idle {
			s.expired = true
		}
		t.recent.MoveToFront(e)
		if !s.expired {
			s.used = now
			return s.user, sessionLive
		}
		state = sessionExpired
	}
	return "", state
}

// start makes a session and gives its id: 32 upper-case hexadecimal digits.
func (t *sessions) start(user string, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := string(appendHex(appendHex(make([]byte, 0, 32), t.ids.Uint64()), t.ids.Uint64()))
	t.byID[id] = t.recent.PushFront(&session{id: id, user: user, used: now})
	if len(t.byID) > keptSessions {
		oldest := t.recent.Remove(t.recent.Back()).(*session)
		delete(t.byID, oldest.id)
	}
	return id
}

// expire ends every session of a user, or of all users when user is empty, and says how many.
func (t *sessions) expire(user string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for e := t.recent.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*session); !s.expired && (user == "" || s.user == user) {
			s.expired = true
			n++
		}
	}
	return n
}

// end ends the sessions with these ids, and says whether there were any.
func (t *sessions) end(ids []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := false
	for _, id := range ids {
		if e := t.byID[id]; e != nil && !e.Value.(*session).expired {
			e.Value.(*session).expired, ended = true, true
		}
	}
	return ended
}

func appendHex(b []byte, n uint64) []byte {
	const digits = "0123456789ABCDEF"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return b
}

// sessionIDs reads the session cookies of a request. A client may echo the whole Set-Cookie value: its attributes then
// look like further cookies, and are passed over (rule H6).
func sessionIDs(r *http.Request) []string {
	if r.Header["Cookie"] == nil {
		return nil
	}
	var ids []string
	for _, c := range r.CookiesNamed(SessionCookieName) {
		ids = append(ids, c.Value)
	}
	return ids
}

// setCookie is the Set-Cookie value of a new session.
func setCookie(id string) string {
	return SessionCookieName + "=" + id + "; Path=/; Secure; HttpOnly"
}

// SessionFault is what a request in an expired session gets (rule H6). Clients look for either half of its text.
func SessionFault() *Fault {
	return &Fault{
		Name:   FaultSession,
		Code:   "soapenv:Server",
		String: "Error Code = 7: the session has ended, and Cisco RISDC needs SOAP clients to start a new session",
	}
}
