package soap

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// User is somebody who may log in.
type User struct {
	Name     string // compared exactly; Basic authentication cannot carry a colon in it
	Password string
	Roles    []string // none means that the user has every role; without RoleServiceability RIS answers 403
}

// RoleServiceability is the role that RIS asks for (rule H5).
const RoleServiceability = "serviceability"

// users is the table of users, ready to be compared in constant time. It never changes.
type users []userEntry

type userEntry struct {
	name           string
	nameSum, pwSum [sha256.Size]byte
	headerSum      [sha256.Size]byte // of the Authorization header as nearly all clients spell it
	allowed        bool              // has the role
}

func newUsers(list []User) (users, error) {
	var us users
	var errs []error
	if len(list) == 0 {
		errs = append(errs, errors.New("there are no users, so nobody could log in"))
	}
	for i, u := range list {
		switch {
		case u.Name == "":
			errs = append(errs, fmt.Errorf("user %d has no name", i+1))
		case strings.Contains(u.Name, ":"):
			errs = append(errs, fmt.Errorf("user %q: a name with a colon cannot log in", u.Name))
		case slices.ContainsFunc(list[:i], func(v User) bool { return v.Name == u.Name }):
			errs = append(errs, fmt.Errorf("user %q: there is already a user of this name", u.Name))
		}
		us = append(us, userEntry{
			name:      u.Name,
			nameSum:   sha256.Sum256([]byte(u.Name)),
			pwSum:     sha256.Sum256([]byte(u.Password)),
			headerSum: sha256.Sum256([]byte("Basic " + base64.StdEncoding.EncodeToString([]byte(u.Name+":"+u.Password)))),
			allowed:   len(u.Roles) == 0 || slices.Contains(u.Roles, RoleServiceability),
		})
	}
	return us, errors.Join(errs...)
}

// check finds the user with this name and password, nil when there is none. It takes the same time for every wrong
// name and every wrong password (rule H5).
func (us users) check(name, password string) *userEntry {
	nameSum, pwSum := sha256.Sum256([]byte(name)), sha256.Sum256([]byte(password))
	found := -1
	for i := range us {
		ok := subtle.ConstantTimeCompare(us[i].nameSum[:], nameSum[:]) & subtle.ConstantTimeCompare(us[i].pwSum[:], pwSum[:])
		found = subtle.ConstantTimeSelect(ok, i, found)
	}
	if found < 0 {
		return nil
	}
	return &us[found]
}

// checkHeader finds the user whose credentials an Authorization header holds, nil when it cannot tell: check can then. It takes
// a time that says no more than check's.
func (us users) checkHeader(header []string) *userEntry {
	if len(header) == 0 {
		return nil
	}
	var room [128]byte // nearly always enough
	sum, found := sha256.Sum256(append(room[:0], header[0]...)), -1
	for i := range us {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(us[i].headerSum[:], sum[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return &us[found]
}

// named finds a user by name, nil when there is none: whoever has a session has shown the password before.
func (us users) named(name string) *userEntry {
	for i := range us {
		if us[i].name == name {
			return &us[i]
		}
	}
	return nil
}

// Login says by what an exchange was authenticated.
type Login string

// The ways to log in.
const (
	NoLogin       Login = ""
	BasicLogin    Login = "basic"
	SessionCookie Login = "cookie"
)

// authenticate decides who sends a request, by Basic credentials or by a session's cookie, and refuses whoever it
// cannot be (rules H5 and H6). It reads headers only.
func (s *Service) authenticate(x *Exchange, set *Settings) *refusal {
	table := *s.users.Load()
	user := table.checkHeader(x.HTTP.Header["Authorization"])
	if user != nil {
		x.User, x.Login = user.name, BasicLogin
	} else if name, password, basic := x.HTTP.BasicAuth(); basic {
		x.User = name
		if user = table.check(name, password); user == nil {
			return unauthorized(set.realm)
		}
		x.Login = BasicLogin
	}
	if set.sessions {
		var room [4]sessionID
		owner, state := s.sessions.use(sessionIDs(room[:0], x.HTTP), x.Started, set.sessionIdle)
		switch {
		case state == sessionExpired:
			// Whoever it is: the session's end is the session's, and right credentials beside it do not help.
			x.User = cmp.Or(x.User, owner)
			return &refusal{fault: SessionFault()}
		case state == sessionLive && user == nil:
			if user = table.named(owner); user != nil {
				x.User, x.Login = owner, SessionCookie
				x.InSession = true
			}
		case state == sessionLive:
			x.InSession = owner == user.name
		}
	}
	if user == nil {
		return unauthorized(set.realm)
	}
	if !user.allowed {
		return &refusal{status: http.StatusForbidden}
	}
	return nil
}

func unauthorized(realm string) *refusal {
	return &refusal{status: http.StatusUnauthorized, header: "WWW-Authenticate", value: `Basic realm="` + realm + `"`}
}
