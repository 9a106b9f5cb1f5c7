package soap

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("unread")
}
func (unread) Close() error { return nil }

func TestAuth_H5_CheckedBeforeTheBodyIsRead(t *testing.T) {
	r := newRig(t, knob{"rateLimit", "1"}, knob{"realm", "Cluster 7"})
	for name, c := range map[string]struct {
		header [2]string
		status int
	}{
		"missing":        {header{"Authorization", ""}, 401},
		"wrong password": {header{"Authorization", basic("poller", "wrong")}, 401},
		"unknown user":   {header{"Authorization", basic("nobody", "right")}, 401},
		"another's":      {header{"Authorization", basic("poller", "other")}, 401},
		"no password":    {header{"Authorization", basic("poller", "")}, 401},
		"other case":     {header{"Authorization", basic("Poller", "right")}, 401},
		"not base64":     {header{"Authorization", "Basic !!!"}, 401},
		"not Basic":      {header{"Authorization", "Bearer cG9sbGVyOnJpZ2h0"}, 401},
		"without role":   {header{"Authorization", basic("guest", "guest")}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			req := request("", c.header)
			req.Body, req.ContentLength = unread{t}, 100
			rec := r.do(req)
			assert.Equal(t, c.status, rec.Code)
			assert.Equal(t, "text/html;charset=utf-8", rec.Header().Get("Content-Type"))
			assert.Contains(t, rec.Body.String(), "<html")
			assert.Empty(t, rec.Header().Get("Set-Cookie"))
			challenge := ""
			if c.status == http.StatusUnauthorized {
				challenge = `Basic realm="Cluster 7"`
			}
			assert.Equal(t, challenge, rec.Header().Get("WWW-Authenticate"))
			x := r.last()
			assert.Equal(t, c.status, x.HTTPStatus)
			assert.Equal(t, rec.Body.Len(), x.ResponseBytes)
			assert.Nil(t, x.Fault)
		})
	}
	// A 401 or 403 costs nothing from the rate limit: the one request that it allows is still there (H5, T3).
	r.ask(device("selectCmDevice", "", everything))
	assert.Equal(t, FaultRateLimit, r.fault(device("selectCmDevice", "", everything)).Name)
}

func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

// H5: several users, each with a password of their own; who they are is observed.
func TestAuth_H5_Users(t *testing.T) {
	r := newRig(t)
	r.ask(device("selectCmDevice", "", everything))
	assert.Equal(t, "poller", r.last().User)
	assert.Equal(t, BasicLogin, r.last().Login)
	r.ask(device("selectCmDevice", "", everything), header{"Authorization", basic("reader", "other")})
	assert.Equal(t, "reader", r.last().User)

	require.NoError(t, r.SetUsers([]User{{Name: "poller", Password: "new"}, {Name: "pässword", Password: "ö:ß"}}))
	assert.Equal(t, 401, r.do(request("", header{"Authorization", basic("reader", "other")})).Code)
	assert.Equal(t, 401, r.do(request("")).Code, "the old password")
	r.ask(device("selectCmDevice", "", everything), header{"Authorization", basic("pässword", "ö:ß")})
}

func TestSetUsers_SaysEverythingThatIsWrong(t *testing.T) {
	r := newRig(t)
	assert.EqualError(t, r.SetUsers(nil), "service users: there are no users, so nobody could log in")
	assert.EqualError(t, r.SetUsers([]User{{Name: "a"}, {}, {Name: "b:c"}, {Name: "a"}}),
		"service users: user 2 has no name\nuser \"b:c\": a name with a colon cannot log in\nuser \"a\": there is already a user of this name")
	r.ask(device("selectCmDevice", "", everything)) // the users of before are still there
}

// H5: every user is compared in full whoever asks, so that an unknown name takes as long as a wrong password.
func TestUsers_H5_CheckFindsTheRightOne(t *testing.T) {
	us, err := newUsers([]User{{Name: "a", Password: "1"}, {Name: "b", Password: "2"}, {Name: "c", Password: "3"}})
	require.NoError(t, err)
	for _, name := range []string{"a", "b", "c", "d", ""} {
		for _, password := range []string{"1", "2", "3", ""} {
			right := map[string]string{"a": "1", "b": "2", "c": "3"}[name] == password && password != ""
			u := us.check(name, password)
			assert.Same(t, u, us.checkHeader([]string{basic(name, password), "ignored"}), "the short way finds the same as the long one")
			assert.Nil(t, us.checkHeader([]string{strings.ToLower(basic(name, password))}), "which reads other spellings")
			if assert.Equal(t, right, u != nil, "%s %s", name, password) && right {
				assert.Equal(t, name, u.name)
			}
		}
	}
}

// H5: the challenge works for a client that waits for it, over a real connection and with a body that the first
// answer leaves unread.
func TestAuth_H5_ClientThatWaitsForTheChallenge(t *testing.T) {
	r := newRig(t, knob{"rateLimit", "1"})
	server := httptest.NewServer(r.Handler(""))
	defer server.Close()
	body := device("selectCmDevice", "", everything) + strings.Repeat(" ", 100_000)
	send := func(auth bool) *http.Response {
		req, err := http.NewRequest(http.MethodPost, server.URL+Path, strings.NewReader(body))
		require.NoError(t, err)
		if auth {
			req.SetBasicAuth("poller", "right")
		}
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	for range 5 {
		res := send(false)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		require.Equal(t, `Basic realm="RisPort70"`, res.Header.Get("WWW-Authenticate"))
		page, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, int64(len(page)), res.ContentLength)
	}
	assert.Equal(t, http.StatusOK, send(true).StatusCode)
}
