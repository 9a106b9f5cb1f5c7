package control

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/soap"
)

// Settings is how a service behaves.
type Settings struct {
	Profile string            `json:"profile" doc:"The profile that the settings started from."`
	Knobs   map[string]string `json:"knobs" doc:"Every knob and its value, as it is written."`
}

// SettingsChange is the answer to a change of settings.
type SettingsChange struct {
	Change
	Settings
}

// SetKnobs says which knobs get which values.
type SetKnobs struct {
	Knobs map[string]string `json:"knobs" doc:"Knobs and their values; the others stay."`
}

func settingsOf(set soap.Settings) Settings {
	out := Settings{Profile: set.Profile(), Knobs: map[string]string{}}
	for _, k := range soap.Knobs() {
		out.Knobs[k.Name], _ = set.Get(k.Name) // which exists
	}
	return out
}

func getSettings(c *call, in *inCluster) (Settings, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Settings{}, err
	}
	return settingsOf(one.sim.Settings()), nil
}

type setIn struct {
	inCluster
	guarded
	Body SetKnobs `body:"json"`
}

func setSettings(c *call, in *setIn) (SettingsChange, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return SettingsChange{}, err
	}
	set := one.sim.Settings()
	var bad []Wrong
	for _, knob := range sortedNames(in.Body.Knobs) {
		if err := set.Set(knob, in.Body.Knobs[knob]); err != nil {
			bad = append(bad, Wrong{Pointer: "/knobs/" + pointerEscape.Replace(knob), Detail: err.Error()})
		}
	}
	if err := set.Validate(); err != nil && len(bad) == 0 {
		bad = append(bad, Wrong{Pointer: "/knobs", Detail: err.Error()})
	}
	if len(in.Body.Knobs) == 0 {
		bad = append(bad, Wrong{Pointer: "/knobs", Detail: "there is no knob to set"})
	}
	if len(bad) > 0 {
		return SettingsChange{}, wrong(ProblemInvalid, bad)
	}
	done, err := c.do(one.sim, in.guarded, step("service.set", in.Body.Knobs))
	if err != nil {
		return SettingsChange{}, err
	}
	if !in.DryRun {
		set = one.sim.Settings()
	}
	return SettingsChange{c.changedBy(done, in.DryRun), settingsOf(set)}, nil
}

// step words an action with its value.
func step(action string, value any) string {
	text, err := json.Marshal(map[string]any{action: value})
	if err != nil {
		panic(fmt.Sprintf("control: wording %s: %v", action, err)) // of texts and lists of them
	}
	return string(StepText{text, true}.language())
}

// Users is who may log in.
type Users struct {
	Users []User `json:"users" doc:"The users, without their passwords."`
}

func listUsers(c *call, in *inCluster) (Users, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Users{}, err
	}
	out := Users{Users: []User{}}
	for _, u := range one.sim.Users() {
		out.Users = append(out.Users, User{Name: u.Name, Roles: u.Roles})
	}
	return out, nil
}

type userIn struct {
	inCluster
	guarded
	User string  `path:"user" doc:"Name of the user."`
	Body SetUser `body:"json"`
}

// SetUser is what a user gets.
type SetUser struct {
	Password string   `json:"password,omitempty" doc:"The password; a new user needs one, another one keeps it when it is left out."`
	Roles    []string `json:"roles,omitempty" doc:"What the user may do; as before when it is left out."`
}

// UserChange is the answer to a change of a user.
type UserChange struct {
	Change
	User User `json:"user" doc:"The user, without the password."`
}

func setUser(c *call, in *userIn) (UserChange, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return UserChange{}, err
	}
	var bad []Wrong
	have, known := userOf(one.sim, in.User)
	if !known && in.Body.Password == "" {
		bad = append(bad, Wrong{Pointer: "", Detail: fmt.Sprintf("there is no user %q, and a new one needs a password", clip(in.User))})
	}
	if in.Body.Roles != nil && len(in.Body.Roles) == 0 {
		bad = append(bad, Wrong{Pointer: "/roles", Detail: "an empty list; expected one role at least, such as serviceability, or no list"})
	}
	if known && in.Body.Password == "" && in.Body.Roles == nil {
		bad = append(bad, Wrong{Pointer: "", Detail: "neither password nor roles are given"})
	}
	if len(bad) > 0 {
		return UserChange{}, wrong(ProblemInvalid, bad)
	}
	value := map[string]any{"name": in.User}
	if in.Body.Password != "" {
		value["password"] = in.Body.Password
	}
	user := User{Name: in.User, Roles: have.Roles}
	if len(in.Body.Roles) > 0 {
		value["roles"] = in.Body.Roles
		user.Roles = in.Body.Roles
	}
	done, err := c.do(one.sim, in.guarded, step("user.set", value))
	return UserChange{c.changedBy(done, in.DryRun), user}, err
}

func userOf(s *sim.Simulator, name string) (soap.User, bool) {
	users := s.Users()
	if i := slices.IndexFunc(users, func(u soap.User) bool { return u.Name == name }); i >= 0 {
		return users[i], true
	}
	return soap.User{}, false
}

type noUserIn struct {
	inCluster
	guarded
	User string `path:"user" doc:"Name of the user."`
}

func removeUser(c *call, in *noUserIn) (Change, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Change{}, err
	}
	users := one.sim.Users()
	var names []string
	for _, u := range users {
		names = append(names, u.Name)
	}
	if !slices.Contains(names, in.User) {
		return Change{}, refuse(ProblemNotFound, "there is no user %q%s", clip(in.User), there(in.User, names))
	}
	if len(users) == 1 {
		return Change{}, refuse(ProblemConflict, "%q is the last user: nobody could log in then", in.User)
	}
	done, err := c.do(one.sim, in.guarded, step("user.remove", in.User))
	return c.changedBy(done, in.DryRun), err
}

type sessionsIn struct {
	inCluster
	DryRun bool   `query:"dryRun" doc:"true: only tell whether it could be done."`
	User   string `query:"user" doc:"Only those of this user."`
}

// Ended is how many there were.
type Ended struct {
	Ended int `json:"ended" doc:"How many sessions have ended."`
}

func endSessions(c *call, in *sessionsIn) (Ended, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil || in.DryRun {
		return Ended{}, err
	}
	return Ended{one.sim.ExpireSessions(in.User)}, nil
}
