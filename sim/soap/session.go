package soap

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// SessionCookieName is the cookie of rule H6.
const SessionCookieName = "JSESSIONIDSSO"

// keptSessions bounds the table of sessions. When it is full the one that was unused for longest is forgotten: its
// cookie is then unknown, which is to say ignored (simulator's choice).
const keptSessions = 10_000

// sessions remembers who has logged in. A client that sends its password each time, and never the cookie, makes a session with
// each request, so that a session costs no memory of its own. It is safe for concurrent use.
type sessions struct {
	mu  sync.Mutex
	ids *rand.PCG

	// index finds places in table, 0 being none: an id's stands where its lowest bits say, or behind. Ids are random, which a
	// map could not know. There are at least twice as many places in it as sessions.
	index []int32

	// table has keptSessions entries at the most. They are a ring in order of use: 0 stands for no session, and between the
	// one used last, table[0].older, and the one unused for longest, table[0].newer.
	table []session
}

type session struct {
	id           sessionID
	user         string
	used         time.Time // last
	expired      bool
	newer, older int32
}

// sessionID is what 32 hexadecimal digits say.
type sessionID struct{ high, low uint64 }

func newSessions(seed uint64) *sessions {
	return &sessions{ids: rand.NewPCG(seed, 0x4a53455353494f4e), index: make([]int32, 16), table: make([]session, 1)}
}

// findLocked gives where an id stands in the index, or where it would.
func (t *sessions) findLocked(id sessionID) (at int) {
	mask := len(t.index) - 1
	for at = int(id.low) & mask; t.index[at] != 0 && t.table[t.index[at]].id != id; at = (at + 1) & mask {
	}
	return at
}

// forgetLocked takes an id out of the index. What stands behind it moves up, so that no gap hides it.
func (t *sessions) forgetLocked(id sessionID) {
	mask := len(t.index) - 1
	gap := t.findLocked(id)
	for at := (gap + 1) & mask; t.index[at] != 0; at = (at + 1) & mask {
		home := int(t.table[t.index[at]].id.low) & mask
		if (at-home)&mask >= (at-gap)&mask { // its place is at the gap or before
			t.index[gap] = t.index[at]
			gap = at
		}
	}
	t.index[gap] = 0
}

// growLocked doubles the index when it is half full.
func (t *sessions) growLocked() {
	if 2*len(t.table) <= len(t.index) {
		return
	}
	t.index = make([]int32, 2*len(t.index))
	for i := 1; i < len(t.table); i++ {
		t.index[t.findLocked(t.table[i].id)] = int32(i)
	}
}

func (t *sessions) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.index, t.table = make([]int32, 16), make([]session, 1)
}

type sessionState uint8

const (
	sessionUnknown sessionState = iota // no cookie, or one that was never issued or is forgotten
	sessionLive
	sessionExpired
)

// use looks up the ids that a request carries and marks the session as used now; user is whose it is or was. A live session
// outweighs an expired one; an expired one stays expired. idle 0 means that sessions last.
func (t *sessions) use(ids []sessionID, now time.Time, idle time.Duration) (user string, state sessionState) {
	if len(ids) == 0 {
		return "", sessionUnknown
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		at := t.index[t.findLocked(id)]
		if at == 0 {
			continue
		}
		s := &t.table[at]
		if idle > 0 && now.Sub(s.used) > idle {
			s.expired = true
		}
		t.takeOutLocked(at)
		t.putFirstLocked(at)
		if !s.expired {
			s.used = now
			return s.user, sessionLive
		}
		user, state = s.user, sessionExpired
	}
	return user, state
}

// start makes a session.
func (t *sessions) start(user string, now time.Time) sessionID {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := sessionID{t.ids.Uint64(), t.ids.Uint64()}
	at := int32(len(t.table))
	if at <= keptSessions {
		t.growLocked()
		t.table = append(t.table, session{})
	} else {
		at = t.table[0].newer
		t.takeOutLocked(at)
		t.forgetLocked(t.table[at].id)
	}
	t.index[t.findLocked(id)] = at
	t.table[at] = session{id: id, user: user, used: now}
	t.putFirstLocked(at)
	return id
}

func (t *sessions) takeOutLocked(at int32) {
	s := &t.table[at]
	t.table[s.newer].older, t.table[s.older].newer = s.older, s.newer
}

func (t *sessions) putFirstLocked(at int32) {
	s := &t.table[at]
	s.newer, s.older = 0, t.table[0].older
	t.table[s.older].newer, t.table[0].older = at, at
}

// expire ends every session of a user, or of all users when user is empty, and says how many.
func (t *sessions) expire(user string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for i := range t.table[1:] {
		if s := &t.table[1+i]; !s.expired && (user == "" || s.user == user) {
			s.expired = true
			n++
		}
	}
	return n
}

// end ends the sessions with these ids, and says whether there were any.
func (t *sessions) end(ids []sessionID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := false
	for _, id := range ids {
		if at := t.index[t.findLocked(id)]; at > 0 && !t.table[at].expired {
			t.table[at].expired, ended = true, true
		}
	}
	return ended
}

// sessionIDs appends what the session cookies of a request say. A client may echo the whole Set-Cookie value: its attributes
// then look like further cookies, and are passed over (rule H6). A value that is no id was never issued, so that it counts no
// more than one that is not known.
func sessionIDs(ids []sessionID, r *http.Request) []sessionID {
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if strings.Trim(name, " \t") != SessionCookieName {
				continue
			}
			if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			if id, ok := parseSessionID(value); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func parseSessionID(digits string) (id sessionID, ok bool) {
	if len(digits) != 32 {
		return id, false
	}
	for i := 0; i < len(digits); i++ {
		d := strings.IndexByte(hexDigits, digits[i])
		if d < 0 {
			return id, false
		}
		id.high = id.high<<4 | id.low>>60
		id.low = id.low<<4 | uint64(d)
	}
	return id, true
}

const hexDigits = "0123456789ABCDEF"

// setCookie is the Set-Cookie value of a new session.
func setCookie(id sessionID) string {
	const name, attributes = SessionCookieName + "=", "; Path=/; Secure; HttpOnly"
	var b [len(name) + 32 + len(attributes)]byte
	out := append(b[:0], name...)
	for _, half := range [2]uint64{id.high, id.low} {
		for shift := 60; shift >= 0; shift -= 4 {
			out = append(out, hexDigits[half>>shift&15])
		}
	}
	return string(append(out, attributes...))
}

// SessionFault is what a request in an expired session gets (rule H6). Clients look for either half of its text.
func SessionFault() *Fault {
	return &Fault{
		Name:   FaultSession,
		Code:   "soapenv:Server",
		String: "Error Code = 7: the session has ended, and Cisco RISDC needs SOAP clients to start a new session",
	}
}
