package soap

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var cookieForm = regexp.MustCompile(`^JSESSIONIDSSO=([0-9A-F]{32}); Path=/; Secure; HttpOnly$`)

// login sends a request with credentials and gives the whole Set-Cookie value of the answer.
func login(t *testing.T, r *rig) string {
	t.Helper()
	rec := r.do(request(device("selectCmDevice", "", []string{"MOH_2"})))
	require.Equal(t, http.StatusOK, rec.Code)
	require.Len(t, rec.Header().Values("Set-Cookie"), 1)
	cookie := rec.Header().Get("Set-Cookie")
	require.Regexp(t, cookieForm, cookie)
	return cookie
}

func withCookie(cookies string, headers ...header) *http.Request {
	return request(device("selectCmDevice", "", []string{"MOH_2"}), append([]header{{"Authorization", ""}, {"Cookie", cookies}}, headers...)...)
}

func TestSession_H6_CookieAlone(t *testing.T) {
	r := newRig(t)
	cookie := login(t, r)
	id := cookieForm.FindStringSubmatch(cookie)[1]
	for name, sent := range map[string]string{
		"as a browser does":          "JSESSIONIDSSO=" + id,
		"the whole Set-Cookie value": cookie,
		"among others":               "a=b; JSESSIONIDSSO=" + id + "; JSESSIONID=77",
		"after an unknown one":       "JSESSIONIDSSO=00; JSESSIONIDSSO=" + id,
	} {
		rec := r.do(withCookie(sent))
		assert.Equal(t, http.StatusOK, rec.Code, name)
		assert.Empty(t, rec.Header().Get("Set-Cookie"), "%s: the session is known already", name)
		assert.Equal(t, "poller", r.last().User)
		assert.Equal(t, SessionCookie, r.last().Login)
	}
	for name, sent := range map[string]string{
		"unknown":   "JSESSIONIDSSO=0123456789ABCDEF0123456789ABCDEF",
		"lower":     "JSESSIONIDSSO=" + fmt.Sprintf("%x", id),
		"other":     "JSESSIONID=" + id,
		"malformed": ";;;=",
	} {
		assert.Equal(t, http.StatusUnauthorized, r.do(withCookie(sent)).Code, name)
	}
}

func TestSession_H6_OnlyGoodAnswersSetIt(t *testing.T) {
	r := newRig(t, knob{"rateLimit", "1"})
	for _, req := range []*http.Request{
		request("nonsense"),
		request("", header{"Authorization", ""}),
		request(device("selectCmDevice", "", everything, tag{"Protocol", "MGCP"})),
	} {
		assert.Empty(t, r.do(req).Header().Get("Set-Cookie"))
	}
	login(t, r)
	rec := r.do(request(device("selectCmDevice", "", everything)))
	require.Equal(t, FaultRateLimit, r.last().Fault.Name)
	assert.Empty(t, rec.Header().Get("Set-Cookie"))
}

func TestSession_H6_IdleTimeout(t *testing.T) {
	r := newRig(t, knob{"sessionIdle", "10m"})
	cookie := login(t, r)
	for range 5 { // it is the time since the last use that counts
		r.advance(10 * time.Minute)
		require.Equal(t, http.StatusOK, r.do(withCookie(cookie)).Code)
	}
	r.advance(10*time.Minute + time.Second)
	for range 2 { // an expired session stays expired
		rec := r.do(withCookie(cookie))
		require.Equal(t, http.StatusInternalServerError, rec.Code)
		assert.Equal(t, "text/xml;charset=utf-8", rec.Header().Get("Content-Type"))
		fault := r.last().Fault
		require.NotNil(t, fault)
		assert.Equal(t, FaultSession, fault.Name)
		assert.Contains(t, rec.Body.String(), "Error Code = 7")
		assert.Contains(t, rec.Body.String(), "needs SOAP clients to start a new session")
	}
	// Right credentials beside it do not help: that is what clients with a cookie jar run into.
	rec := r.do(withCookie(cookie, header{"Authorization", basic("poller", "right")}))
	assert.Equal(t, FaultSession, r.last().Fault.Name, rec.Code)
	assert.Equal(t, http.StatusUnauthorized, r.do(withCookie(cookie, header{"Authorization", basic("poller", "wrong")})).Code)
	// Dropping the cookie does.
	fresh := login(t, r)
	assert.NotEqual(t, cookie, fresh)
	assert.Equal(t, http.StatusOK, r.do(withCookie(cookie+"; "+fresh)).Code, "a live session outweighs an expired one")
	// A SOAP 1.2 client gets it in its own version (H4).
	rec = r.do(withCookie(cookie, header{"Content-Type", "application/soap+xml; charset=utf-8"}))
	assert.Equal(t, "application/soap+xml;charset=utf-8", rec.Header().Get("Content-Type"))
	assert.Contains(t, rec.Body.String(), "<soapenv:Value>soapenv:Receiver</soapenv:Value>")
}

func TestSession_H6_NoIdleTimeoutAt0(t *testing.T) {
	r := newRig(t, knob{"sessionIdle", "0s"})
	cookie := login(t, r)
	r.advance(100_000 * time.Hour)
	assert.Equal(t, http.StatusOK, r.do(withCookie(cookie)).Code)
}

func TestSession_H6_Off(t *testing.T) {
	r := newRig(t)
	cookie := login(t, r)
	set := r.Settings()
	require.NoError(t, set.Set("sessions", "false"))
	require.NoError(t, r.SetSettings(set))
	assert.Equal(t, http.StatusUnauthorized, r.do(withCookie(cookie)).Code)
	rec := r.do(request(device("selectCmDevice", "", everything)))
	assert.Equal(t, http.StatusOK, rec.Code)
	assert.Empty(t, rec.Header().Get("Set-Cookie"))
}

func TestSession_H6_EndsWithItsUser(t *testing.T) {
	r := newRig(t)
	cookie := login(t, r)
	require.NoError(t, r.SetUsers([]User{{Name: "somebody", Password: "else"}}))
	assert.Equal(t, http.StatusUnauthorized, r.do(withCookie(cookie)).Code)
	require.NoError(t, r.SetUsers([]User{{Name: "poller", Password: "new", Roles: []string{"axl"}}}))
	assert.Equal(t, http.StatusForbidden, r.do(withCookie(cookie)).Code, "the role is looked up at each request")
}

func TestSession_H6_OfAnotherUser(t *testing.T) {
	r := newRig(t)
	cookie := login(t, r)
	rec := r.do(withCookie(cookie, header{"Authorization", basic("reader", "other")}))
	assert.Equal(t, http.StatusOK, rec.Code)
	assert.Equal(t, "reader", r.last().User, "credentials go before the cookie")
	assert.Regexp(t, cookieForm, rec.Header().Get("Set-Cookie"))
	rec = r.do(withCookie(cookie, header{"Authorization", basic("poller", "right")}))
	assert.Empty(t, rec.Header().Get("Set-Cookie"))
}

func TestExpireSessions(t *testing.T) {
	r := newRig(t)
	cookie := login(t, r)
	other := r.do(request(device("selectCmDevice", "", everything), header{"Authorization", basic("reader", "other")})).Header().Get("Set-Cookie")
	assert.Equal(t, 0, r.ExpireSessions("nobody"))
	assert.Equal(t, 1, r.ExpireSessions("poller"))
	assert.Equal(t, http.StatusInternalServerError, r.do(withCookie(cookie)).Code)
	assert.Equal(t, http.StatusOK, r.do(withCookie(other)).Code)
	assert.Equal(t, 1, r.ExpireSessions(""))
	assert.Equal(t, 0, r.ExpireSessions(""))
	assert.Equal(t, http.StatusInternalServerError, r.do(withCookie(other)).Code)
}

// The same seed gives the same ids, another seed others, and none comes twice.
func TestSessions_RepeatUnderTheSameSeed(t *testing.T) {
	a, b, c := newSessions(7), newSessions(7), newSessions(8)
	seen := map[sessionID]bool{}
	for range 1000 {
		id := a.start("u", start)
		assert.Equal(t, id, b.start("u", start))
		assert.NotEqual(t, id, c.start("u", start))
		assert.Regexp(t, cookieForm, setCookie(id))
		assert.False(t, seen[id])
		seen[id] = true
	}
}

// A client that never sends its cookie back fills no memory; a session in use is not the one that is forgotten.
func TestSessions_AreBounded(t *testing.T) {
	s := newSessions(1)
	used, idle := s.start("used", start), s.start("idle", start)
	for i := range keptSessions + 100 {
		s.start("flood", start)
		if i%1000 == 0 {
			_, state := s.use([]sessionID{used}, start, time.Minute)
			require.Equal(t, sessionLive, state)
		}
	}
	assert.Len(t, s.table, 1+keptSessions)
	_, state := s.use([]sessionID{idle}, start, time.Minute)
	assert.Equal(t, sessionUnknown, state)
	user, state := s.use([]sessionID{used}, start, time.Minute)
	assert.Equal(t, sessionLive, state)
	assert.Equal(t, "used", user)
}

func TestSessions_ConcurrentUse(t *testing.T) {
	s := newSessions(1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				id := s.start("u", start)
				if _, state := s.use([]sessionID{id}, start, time.Minute); state == sessionUnknown {
					t.Error("a new session is unknown")
				}
				s.expire("nobody")
			}
		})
	}
	wg.Wait()
	assert.Len(t, s.table, 1+1600)
}

// The table finds what a map would find, however ids collide, and forgets the one that was unused for longest.
func TestSessions_FindWhatAMapWouldFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, known := newSessions(1), map[sessionID]int32{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			id := sessionID{rapid.Uint64Range(0, 3).Draw(t, "high"), rapid.Uint64Range(0, 40).Draw(t, "low")}
			at, there := known[id]
			if there && rapid.Bool().Draw(t, "forget") {
				s.forgetLocked(id)
				delete(known, id)
			} else if !there {
				s.growLocked()
				at = int32(len(s.table))
				s.index[s.findLocked(id)] = at
				s.table = append(s.table, session{id: id})
				known[id] = at
			}
			for id, at := range known {
				if got := s.index[s.findLocked(id)]; got != at {
					t.Fatalf("%v: %d, want %d", id, got, at)
				}
			}
		}
	})
}

// H6: what counts as a session cookie is what net/http takes for one, however odd the header; its value is the id as it was
// set.
func TestSessionIDs_AgreeWithNetHTTP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := sessionID{rapid.Uint64().Draw(t, "high"), rapid.Uint64().Draw(t, "low")}
		cookie := setCookie(id)
		pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
			cookie, cookie[:46], cookie[:45], strings.ToLower(cookie), SessionCookieName, "=", ";", "; ", ",", " ", "\t", `"`, cookie[14:46], "a=b", "Path=/", "\\", "\x01",
		}), 0, 12)
		r := &http.Request{Header: http.Header{}}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.Header.Add("Cookie", strings.Join(pieces.Draw(t, "pieces"), ""))
		}
		var want []sessionID
		for _, c := range r.CookiesNamed(SessionCookieName) {
			var high, low uint64
			if n, _ := fmt.Sscanf(c.Value, "%16X%16X", &high, &low); n == 2 && c.Value == fmt.Sprintf("%016X%016X", high, low) {
				want = append(want, sessionID{high, low})
			}
		}
		if got := sessionIDs(nil, r); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", r.Header["Cookie"], got, want)
		}
	})
}

// A table that is full for long holds the last sessions, and no trace of others.
func TestSessions_FullForLong(t *testing.T) {
	s := newSessions(1)
	var ids []sessionID
	for range 3 * keptSessions {
		ids = append(ids, s.start("u", start))
	}
	places := 0
	for _, at := range s.index {
		if at != 0 {
			places++
		}
	}
	require.Equal(t, keptSessions, places)
	for i := range ids {
		want := sessionUnknown
		if i >= len(ids)-keptSessions {
			want = sessionLive
		}
		if _, state := s.use(ids[i:i+1], start, 0); state != want {
			t.Fatalf("session %d is %d, want %d", i, state, want)
		}
	}
}
