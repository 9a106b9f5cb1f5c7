package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/control"
	"github.com/risim/risim/sim/scenarios"
)

// The verbs of risim ctl, in the order of the help.

func (c *ctl) clusterCommands() []*cobra.Command {
	list := c.command("clusters", "List the clusters of the process", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Clusters
		return c.ask(ctx, http.MethodGet, "/clusters", nil, nil, &out, func() {
			c.table("NAME\tDEVICES\tCLOCK\tTIME\tLEASE ENDS\tSERVICE", func(row func(...any)) {
				for _, one := range out.Clusters {
					lease := ""
					if one.Lease != nil {
						lease = one.Lease.Expires.Format(time.TimeOnly)
					}
					row(one.Name, one.Devices, clockMode(one.Clock), clockText(one.Clock.Time), lease, one.URL)
				}
			})
		})
	})

	var spec control.ClusterSpec
	var file, lease, user, password string
	var settings []string
	var manual bool
	create := c.command("create [NAME]", "Make a cluster, with a service of its own", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		body := spec
		if len(args) > 0 {
			body.Name = args[0]
		}
		if manual {
			body.Clock = "manual"
		}
		if file != "" {
			text, err := c.read(file)
			if err != nil {
				return err
			}
			body.YAML = string(text)
		}
		if lease != "" {
			d, err := scenarios.ParseDuration(lease)
			if err != nil {
				return fmt.Errorf("--lease: %w", err)
			}
			body.Lease = (*control.Duration)(&d)
		}
		if user != "" {
			body.Users = []control.User{{Name: user, Password: password}}
		}
		set, err := parameters(settings)
		if err != nil {
			return fmt.Errorf("--set: %w", err)
		}
		if len(set) > 0 {
			body.Settings = mapOf(set)
		}
		var out control.Cluster
		return c.ask(ctx, http.MethodPost, "/clusters", nil, body, &out, func() {
			if c.dryRun {
				c.say("dry run: nothing is wrong")
				return
			}
			c.cluster1(out)
		})
	})
	flags := create.Flags()
	flags.SortFlags = false
	flags.StringVar(&spec.Ready, "ready", "", "`NAME` of a ready cluster or scenario (default the cluster default)")
	flags.StringVarP(&file, "file", "f", "", "`FILE` of a scenario or a snapshot, - for stdin")
	flags.IntVar(&spec.Devices, "devices", 0, "scale a ready cluster to about `N` devices")
	flags.Uint64Var(&spec.Seed, "seed", 0, "decide all chance by `N`")
	flags.BoolVar(&manual, "manual-clock", false, "let simulated time stand still")
	flags.StringVar(&spec.Profile, "profile", "", "`NAME` of the settings to start from")
	flags.StringArrayVar(&settings, "set", nil, "change a knob, `KNOB=VALUE`; repeatable")
	flags.StringVar(&user, "user", "", "`NAME` of the user who may log in")
	flags.StringVar(&password, "password", "", "`PASSWORD` of that user")
	flags.BoolVar(&spec.Plain, "plain", false, "serve HTTP instead of HTTPS")
	flags.BoolVar(&spec.PerNode, "per-node", false, "give each node its own loopback address")
	flags.StringVar(&spec.Listen, "listen", "", "`ADDR` of the service (default a free port of 127.0.0.1)")
	flags.StringVar(&lease, "lease", "", "`D` until it ends unless it is renewed, such as 30m; 0s: never (default 10m)")
	flags.BoolVar(&c.dryRun, "dry-run", false, "only tell what is wrong with it")

	show := c.command("cluster", "Describe the cluster: where it is and how to use it", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Cluster
		return c.do(ctx, http.MethodGet, "", nil, nil, &out, func() { c.cluster1(out) })
	})
	remove := c.command("delete NAME", "End a cluster", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		return c.ask(ctx, http.MethodDelete, "/clusters/"+url.PathEscape(args[0]), nil, nil, nil, func() { c.say("%s: ended", args[0]) })
	})
	remove.Flags().BoolVar(&c.dryRun, "dry-run", false, "only tell whether there is such a cluster")
	remove.ValidArgsFunction = c.completeClusters
	renew := c.command("renew NAME [D]", "Let the lease of a cluster begin anew, for D such as 30m, or as long as before", cobra.RangeArgs(1, 2),
		func(ctx context.Context, args []string) error {
			var body control.Renew
			if len(args) > 1 {
				d, err := scenarios.ParseDuration(args[1])
				if err != nil {
					return err
				}
				body.Lease = (*control.Duration)(&d)
			}
			var out control.Cluster
			return c.ask(ctx, http.MethodPost, "/clusters/"+url.PathEscape(args[0])+"/renew", nil, body, &out, func() {
				if out.Lease == nil {
					c.say("%s: stays until it is deleted", out.Name)
				} else {
					c.say("%s: until %s", out.Name, out.Lease.Expires.Format(time.DateTime))
				}
			})
		})
	renew.ValidArgsFunction = c.completeClusters
	ready := c.command("ready", "List the ready clusters and scenarios, of which clusters can be made", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Ready
		return c.ask(ctx, http.MethodGet, "/ready", nil, nil, &out, func() {
			c.table("", func(row func(...any)) {
				for _, one := range slices.Concat(out.Clusters, out.Scenarios) {
					row(one.Name, one.Summary)
				}
			})
		})
	})
	api := c.command("api", "Print the OpenAPI document of the control API", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return c.client().Do(ctx, http.MethodGet, "/openapi.json", nil, c.stdout)
	})
	return []*cobra.Command{list, show, create, renew, remove, ready, api}
}

func mapOf(v url.Values) map[string]string {
	out := map[string]string{}
	for key, values := range v {
		out[key] = values[len(values)-1]
	}
	return out
}

func clockMode(k control.Clock) string {
	switch {
	case k.Mode == "manual":
		return "manual"
	case k.Frozen:
		return "frozen"
	}
	return fmt.Sprintf("real x%v", k.Speed)
}

// cluster1 describes one cluster.
func (c *ctl) cluster1(one control.Cluster) {
	c.table("", func(row func(...any)) {
		row("cluster:", one.Name)
		row("service:", one.URL)
		for _, n := range one.Nodes {
			if n.URL != one.URL {
				row("", n.URL+" ("+n.Name+")")
			}
		}
		row("user:", one.User)
		if one.CAFile != "" {
			row("CA file:", one.CAFile)
		}
		row("devices:", one.Devices)
		row("clock:", clockMode(one.Clock)+", "+clockText(one.Clock.Time))
		if one.Scenario != "" {
			row("scenario:", one.Scenario)
		}
		if one.Lease != nil {
			row("lease:", one.Lease.Duration.String()+", until "+one.Lease.Expires.Format(time.DateTime))
		}
	})
}

func (c *ctl) stateCommands() []*cobra.Command {
	state := c.command("state", "Show how the cluster stands", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.State
		return c.do(ctx, http.MethodGet, "/state", nil, nil, &out, func() {
			c.say("version %d, %s, profile %s: %d devices (%s), %d applications", out.Version, clockText(out.Time), out.Profile, out.Devices, statuses(out.Status), out.Applications)
			c.table("NODE\tSTATE\tRECORDS\tSTATUS\tAPPLICATIONS\tSTATEID\tCTI STATEID", func(row func(...any)) {
				for _, n := range out.Nodes {
					row(n.Name, n.State, n.Records, statuses(n.Status), n.Applications, n.StateID, n.CtiStateID)
				}
			})
		})
	})
	limit, all := 0, false
	devices := c.command("devices [KEY=VALUE...]", "List devices, selected as where does in a scenario: class=Phone status=UnRegistered", cobra.ArbitraryArgs,
		func(ctx context.Context, args []string) error {
			query, err := parameters(args)
			if err != nil {
				return hint(err, "keys are those of where, such as group, name, class, status and node")
			}
			if limit > 0 {
				query.Set("limit", strconv.Itoa(limit))
			} else if all {
				query.Set("limit", "1000")
			}
			shown := 0
			for {
				var out control.Devices
				err := c.do(ctx, http.MethodGet, "/devices", query, nil, &out, func() {
					header := "NAME\tCLASS\tMODEL\tSTATUS\tNODE\tGROUP\tLINES\tDESCRIPTION"
					if shown > 0 {
						header = ""
					}
					c.table(header, func(row func(...any)) {
						for _, d := range out.Devices {
							row(d.Name, d.Class, cmp.Or(d.ModelName, strconv.Itoa(int(d.Model))), d.Status, d.Node, d.Group, strings.Join(d.Lines, ","), d.Description)
						}
					})
				})
				if shown += len(out.Devices); err != nil || out.Next == "" {
					return err
				}
				if !all {
					if !c.json {
						c.say("%d of %d; --all shows the others", shown, out.Matched)
					}
					return nil
				}
				query.Set("cursor", out.Next)
			}
		})
	devices.Flags().IntVar(&limit, "limit", 0, "show `N` devices (default 100)")
	devices.Flags().BoolVar(&all, "all", false, "show all devices, a page after the other")
	device := c.command("device NAME", "Show a device and what each node knows of it", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		var d control.Device
		return c.do(ctx, http.MethodGet, "/devices/"+url.PathEscape(args[0]), nil, nil, &d, func() {
			c.table("", func(row func(...any)) {
				row("name:", d.Name)
				row("description:", d.Description)
				row("class:", d.Class)
				row("model:", fmt.Sprintf("%s (%d)", d.ModelName, d.Model))
				row("protocol:", d.Protocol)
				row("group:", d.Group)
				row("lines:", strings.Join(d.Lines, ", "))
				row("homes:", strings.Join(d.Homes, ", "))
			})
			c.table("NODE\tSTATUS\tREASON\tSINCE\tADDRESS\tLOAD\tSTATEID", func(row func(...any)) {
				for _, r := range d.Records {
					row(r.Node, r.Status, r.Reason, clockText(r.TimeStamp), cmp.Or(r.IPv4, r.IPv6), r.ActiveLoad, r.StateID)
				}
			})
		})
	})
	device.ValidArgsFunction = c.completeDevices
	applications := c.command("applications", "List the connections of CTI applications", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Applications
		return c.do(ctx, http.MethodGet, "/applications", url.Values{"limit": {"1000"}}, nil, &out, func() {
			c.table("APPID\tUSER\tNODE\tSTATUS\tDEVICES\tLINES", func(row func(...any)) {
				for _, a := range out.Applications {
					row(a.ID, a.User, a.Node, a.Status, a.Devices, a.Lines)
				}
			})
			if out.Next != "" {
				c.say("and more; --json has a cursor for them")
			}
		})
	})
	return []*cobra.Command{state, devices, device, applications}
}

// statuses is 12 Registered, 3 UnRegistered.
func statuses(n map[string]int) string {
	var out []string
	for _, s := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%d %s", n[s], s))
	}
	return strings.Join(out, ", ")
}

// did shows what a step did.
func (c *ctl) did(out control.StepDone) {
	done := out.ID
	if out.Ahead {
		done += ": begun, more is to come"
	}
	c.changed(done, out.Change)
	c.table("", func(row func(...any)) {
		for _, e := range out.Steps {
			devices := ""
			if e.Devices != nil {
				devices = fmt.Sprintf("%d devices", *e.Devices)
			}
			detail := e.Detail
			if e.Skipped > 0 {
				detail = strings.TrimPrefix(detail+fmt.Sprintf(", %d skipped", e.Skipped), ", ")
			}
			if e.Error != "" {
				detail = strings.TrimPrefix(detail+": "+e.Error, ": ")
			}
			row("  +"+e.After.String(), e.Action, devices, detail)
		}
	})
}

// text is a text of the scenario language: of the arguments, or with -f of a file.
func (c *ctl) text(file string, args []string) (control.YAML, error) {
	switch {
	case file != "" && len(args) > 0:
		return nil, errors.New("there are a text and a file of one: give one of them")
	case file != "":
		return c.read(file)
	case len(args) == 0:
		return nil, hint(errors.New("there is nothing to do"), "risim ctl change 'node.stop: cucm-sub1'; risim help scenarios has the words")
	}
	return control.YAML(strings.Join(args, " ")), nil
}

func (c *ctl) changeCommands() []*cobra.Command {
	file := ""
	change := c.changing(c.command("change ACTION", "Do something to the cluster, in the words of the scenario language", cobra.ArbitraryArgs, func(ctx context.Context, args []string) error {
		text, err := c.text(file, args)
		if err != nil {
			return err
		}
		var out control.StepDone
		return c.do(ctx, http.MethodPost, "/changes", nil, text, &out, func() { c.did(out) })
	}))
	change.Flags().StringVarP(&file, "file", "f", "", "`FILE` with the action, - for stdin")
	change.Example = `  risim ctl change 'node.stop: cucm-sub1'
  risim ctl change 'devices.failover: {from: cucm-sub1, reason: KeepAliveTimeout}'
  risim ctl change '{do: {churn: {where: {group: hq}, rate: 30/min}}, for: 10m}'`

	impairments := c.command("impairments", "List the trouble that is in force", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Impairments
		return c.do(ctx, http.MethodGet, "/impairments", nil, nil, &out, func() {
			c.table("ID\tWHAT", func(row func(...any)) {
				for _, i := range out.Impairments {
					row(i.ID, i.Written)
				}
			})
		})
	})
	trouble, id := "", ""
	impair := c.changing(c.command("impair TROUBLE", "Put trouble in force, in the words of the section impairments of a scenario", cobra.ArbitraryArgs,
		func(ctx context.Context, args []string) error {
			text, err := c.text(trouble, args)
			if err != nil {
				return err
			}
			method, path := http.MethodPost, "/impairments"
			if id != "" {
				method, path = http.MethodPut, path+"/"+url.PathEscape(id)
			}
			var out control.StepDone
			return c.do(ctx, method, path, nil, text, &out, func() { c.did(out) })
		}))
	impair.Flags().StringVarP(&trouble, "file", "f", "", "`FILE` with the impairment, - for stdin")
	impair.Flags().StringVar(&id, "id", "", "`ID` of the impairment, in place of what has it (default one is given)")
	impair.Example = `  risim ctl impair '{match: {operation: selectCmDevice}, chance: 10%, latency: {p50: 80ms, p99: 900ms}}'
  risim ctl impair --id down 'status: 503'`
	lift := c.changing(c.command("lift ID", "End trouble", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		var out control.Change
		return c.do(ctx, http.MethodDelete, "/impairments/"+url.PathEscape(args[0]), nil, nil, &out, func() { c.changed(args[0]+": lifted", out) })
	}))

	scenario := c.command("scenario", "Show the scenario, and what has become of its expectations", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Scenario
		return c.do(ctx, http.MethodGet, "/scenario", nil, nil, &out, func() { c.scenario(out) })
	})
	on := func(use, short, method, path string, args cobra.PositionalArgs) *cobra.Command {
		return c.changing(c.command(use, short, args, func(ctx context.Context, args []string) error {
			var body any
			if len(args) > 0 {
				text, err := c.read(args[0])
				if err != nil {
					return err
				}
				body = text
			}
			var out control.ScenarioChange
			err := c.do(ctx, method, path, nil, body, &out, func() {
				for _, d := range out.Differences {
					c.say("%s", d)
				}
				c.changed("scenario", out.Change)
				c.scenario(out.Scenario)
			})
			if err == nil && strings.HasSuffix(path, "/stop") && slices.ContainsFunc(out.Scenario.Verdicts, func(v control.Verdict) bool { return v.Outcome != "pass" }) {
				return ended(1)
			}
			return err
		}))
	}
	scenario.AddCommand(
		on("load FILE", "Go on with another scenario, or an edited one, by difference; --dry-run shows the plan", http.MethodPut, "/scenario", cobra.ExactArgs(1)),
		on("start", "Let the scenario begin anew, now", http.MethodPost, "/scenario/start", cobra.NoArgs),
		on("stop", "End the scenario and judge it; the exit status is 1 unless all has passed", http.MethodPost, "/scenario/stop", cobra.NoArgs),
	)
	return []*cobra.Command{change, impairments, impair, lift, scenario}
}

func (c *ctl) scenario(s control.Scenario) {
	if len(s.Steps) == 0 && s.Name == "" {
		c.say("there is no scenario")
		return
	}
	next := "nothing more happens by itself"
	if s.Next != nil {
		next = "next at " + clockText(*s.Next)
	}
	c.say("%s: %d steps, %s", cmp.Or(s.Name, "scenario"), len(s.Steps), next)
	c.table("", func(row func(...any)) {
		for _, v := range s.Verdicts {
			row("  "+v.Outcome, v.ID, v.Want, v.Why)
		}
	})
}

func (c *ctl) serviceCommands() []*cobra.Command {
	settings := c.command("settings", "Show how the service behaves: every knob and its value", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Settings
		return c.do(ctx, http.MethodGet, "/settings", nil, nil, &out, func() {
			c.say("profile %s", out.Profile)
			c.table("", func(row func(...any)) {
				for _, knob := range slices.Sorted(maps.Keys(out.Knobs)) {
					row("  "+knob, out.Knobs[knob])
				}
			})
		})
	})
	set := c.changing(c.command("set KNOB=VALUE...", "Change knobs of the service: all that are given, or none", cobra.MinimumNArgs(1), func(ctx context.Context, args []string) error {
		knobs, err := parameters(args)
		if err != nil {
			return hint(err, "risim help knobs lists the knobs and their values")
		}
		var out control.SettingsChange
		return c.do(ctx, http.MethodPatch, "/settings", nil, control.SetKnobs{Knobs: mapOf(knobs)}, &out, func() {
			c.changed("set "+strings.Join(args, " "), out.Change)
		})
	}))
	users := c.command("users", "List who may log in", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Users
		return c.do(ctx, http.MethodGet, "/users", nil, nil, &out, func() {
			c.table("NAME\tROLES", func(row func(...any)) {
				for _, u := range out.Users {
					row(u.Name, cmp.Or(strings.Join(u.Roles, ", "), "all"))
				}
			})
		})
	})
	var roles []string
	fromStdin, password := false, ""
	setUser := c.changing(c.command("set NAME", "Let a user log in, or change the password or the roles of one", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		body := control.SetUser{Password: password, Roles: roles}
		if fromStdin {
			text, err := io.ReadAll(io.LimitReader(c.stdin, 1<<16))
			if err != nil {
				return err
			}
			body.Password = strings.TrimRight(string(text), "\r\n")
		}
		var out control.UserChange
		return c.do(ctx, http.MethodPut, "/users/"+url.PathEscape(args[0]), nil, body, &out, func() { c.changed("user "+args[0], out.Change) })
	}))
	setUser.Flags().StringVar(&password, "password", "", "`PASSWORD`, which others on this machine can see in the list of processes")
	setUser.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from stdin")
	setUser.Flags().StringArrayVar(&roles, "role", nil, "`ROLE` of the user; repeatable")
	removeUser := c.changing(c.command("remove NAME", "Let a user log in no longer", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		var out control.Change
		return c.do(ctx, http.MethodDelete, "/users/"+url.PathEscape(args[0]), nil, nil, &out, func() { c.changed("user "+args[0]+" removed", out) })
	}))
	users.AddCommand(setUser, removeUser)
	sessions := c.command("expire [USER]", "End the sessions of a user, or of everybody, as if their time was over", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		query := url.Values{}
		if len(args) > 0 {
			query.Set("user", args[0])
		}
		var out control.Ended
		return c.do(ctx, http.MethodDelete, "/sessions", query, nil, &out, func() { c.say("%d sessions have ended", out.Ended) })
	})
	return []*cobra.Command{settings, set, users, sessions, c.clockCommand()}
}

func (c *ctl) clockCommand() *cobra.Command {
	show := func(k control.Clock) {
		next := "nothing happens by itself"
		if k.Next != nil {
			next = "next at " + clockText(*k.Next)
		}
		c.say("%s  %s, %s", clockText(k.Time), clockMode(k), next)
	}
	cmd := c.command("clock", "Tell the simulated time, or move it", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Clock
		return c.do(ctx, http.MethodGet, "/clock", nil, nil, &out, func() { show(out) })
	})
	move := func(ctx context.Context, method, path string, body any) error {
		var out control.ClockChange
		return c.do(ctx, method, path, nil, body, &out, func() {
			show(out.Clock)
			if len(out.Events) > 0 {
				c.say("%d things happened%s", len(out.Events), entries(out.Events))
			}
		})
	}
	yes, no := true, false
	cmd.AddCommand(
		c.changing(c.command("advance D|TIME|next", "Move time by D such as 5m, to a TIME such as 2026-03-02T08:30:00Z, or to when something happens next", cobra.ExactArgs(1),
			func(ctx context.Context, args []string) error {
				var body control.Advance
				if at := new(control.Time); args[0] == "next" {
					body.Next = true
				} else if at.UnmarshalText([]byte(args[0])) == nil {
					body.To = at
				} else if d, err := scenarios.ParseDuration(args[0]); err != nil {
					return fmt.Errorf("%w, nor next, nor a time such as 2026-03-02T08:30:00Z", err)
				} else {
					body.By = (*control.Duration)(&d)
				}
				return move(ctx, http.MethodPost, "/clock/advance", body)
			})),
		c.changing(c.command("freeze", "Let time stand still", cobra.NoArgs, func(ctx context.Context, _ []string) error {
			return move(ctx, http.MethodPatch, "/clock", control.SetClock{Frozen: &yes})
		})),
		c.changing(c.command("unfreeze", "Let time run on", cobra.NoArgs, func(ctx context.Context, _ []string) error {
			return move(ctx, http.MethodPatch, "/clock", control.SetClock{Frozen: &no})
		})),
		c.changing(c.command("speed X", "Let X simulated seconds pass in a second", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			x, err := strconv.ParseFloat(args[0], 64)
			if err != nil {
				return fmt.Errorf("%q is not a number", args[0])
			}
			return move(ctx, http.MethodPatch, "/clock", control.SetClock{Speed: &x})
		})),
	)
	return cmd
}

func (c *ctl) momentCommands() []*cobra.Command {
	output := ""
	snapshot := c.command("snapshot", "Export how everything stands, as a scenario from which risim serve starts", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		at, err := c.where(ctx)
		if err != nil {
			return err
		}
		if output == "" {
			return c.client().Do(ctx, http.MethodGet, at+"/snapshot", nil, c.stdout)
		}
		file, err := prepareFile("the snapshot", "--output", output)
		if err != nil {
			return err
		}
		defer file.drop()
		var text bytes.Buffer
		if err := c.client().Do(ctx, http.MethodGet, at+"/snapshot", nil, &text); err != nil {
			return err
		}
		return file.put(text.Bytes(), 0o644)
	})
	snapshot.Flags().StringVarP(&output, "output", "o", "", "write it to `FILE`, whole or not at all")
	restore := c.changing(c.command("restore FILE", "Put back what snapshot has exported, - for stdin", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		text, err := c.read(args[0])
		if err != nil {
			return err
		}
		var out control.Change
		return c.do(ctx, http.MethodPut, "/snapshot", nil, text, &out, func() { c.changed("restored "+args[0], out) })
	}))
	moments := c.command("moments", "List the moments that one can go back to", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Moments
		return c.do(ctx, http.MethodGet, "/moments", nil, nil, &out, func() {
			c.table("ENTRY\tVERSION\tTIME", func(row func(...any)) {
				for _, m := range out.Moments {
					row(m.Event, m.Version, clockText(m.Time))
				}
			})
		})
	})
	back := c.changing(c.command("back ENTRY|TIME", "Put the cluster and its settings back as they were after an entry of the journal, or at a time", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			var body control.Back
			if n, err := strconv.ParseUint(args[0], 10, 64); err == nil {
				body.Event = &n
			} else if at := new(control.Time); at.UnmarshalText([]byte(args[0])) == nil {
				body.Time = at
			} else {
				return hint(fmt.Errorf("%q is neither the number of an entry nor a time such as 2026-03-02T08:30:00Z", args[0]), "risim ctl moments lists what there is")
			}
			var out control.BackDone
			return c.do(ctx, http.MethodPost, "/back", nil, body, &out, func() {
				c.changed(fmt.Sprintf("back to version %d, of %s", out.Moment.Version, clockText(out.Moment.Time)), out.Change)
			})
		}))
	reset := c.changing(c.command("reset", "Put everything back as it was at the start", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out control.Change
		return c.do(ctx, http.MethodPost, "/reset", nil, nil, &out, func() { c.changed("reset", out) })
	}))
	return []*cobra.Command{snapshot, restore, moments, back, reset}
}

func (c *ctl) journalCommands() []*cobra.Command {
	var follow, lines, har bool
	limit := 0
	journal := c.command("journal [KEY=VALUE...]", "Show what happened: kind=request operation=selectCmDevice user=poller", cobra.ArbitraryArgs,
		func(ctx context.Context, args []string) error {
			query, err := parameters(args)
			if err != nil {
				return hint(err, "keys are kind, device, operation, user, node, status, fault, advice, item, after and others; risim ctl api has them all")
			}
			at, err := c.where(ctx)
			if err != nil {
				return err
			}
			given := 0
			for _, is := range []bool{follow, lines, har} {
				if is {
					given++
				}
			}
			switch {
			case given > 1:
				return errors.New("--follow, --jsonl and --har: expected one of them at the most")
			case follow:
				return c.follow(ctx, at, query)
			case lines:
				return c.client().Do(ctx, http.MethodGet, at+"/journal.jsonl?"+query.Encode(), nil, c.stdout)
			case har:
				return c.client().Do(ctx, http.MethodGet, at+"/journal.har?"+query.Encode(), nil, c.stdout)
			}
			if limit > 0 {
				query.Set("limit", strconv.Itoa(limit))
			}
			var out control.Journal
			return c.ask(ctx, http.MethodGet, at+"/journal", query, nil, &out, func() {
				for _, e := range out.Entries {
					c.say("%6d  %s", e.Seq, e.Text)
				}
				if len(out.Entries) == 0 {
					c.say("no entry matches")
				}
				if out.Next > 0 {
					c.say("there are more; after=%d shows them", out.Next)
				}
				if out.Dropped > 0 {
					c.say("the oldest %d are not kept any more", out.Dropped)
				}
			})
		})
	journal.Flags().BoolVar(&follow, "follow", false, "show entries as they happen, until interrupted; with after=N those since then first")
	journal.Flags().BoolVar(&lines, "jsonl", false, "export as JSON, an entry a line")
	journal.Flags().BoolVar(&har, "har", false, "export what was sent, as an HTTP archive")
	journal.Flags().IntVar(&limit, "limit", 0, "show `N` entries (default 100)")
	return []*cobra.Command{journal, c.verifyCommand(), c.explainCommand(), c.adviceCommand()}
}

func (c *ctl) verifyCommand() *cobra.Command {
	var body control.Verify
	var within, timeout string
	cmd := c.command("verify [KEY=VALUE...]", "Judge whether so many requests have come as are expected, or wait until they have", cobra.ArbitraryArgs,
		func(ctx context.Context, args []string) error {
			expected, err := expectedOf(args)
			if err != nil {
				return hint(err, "risim ctl verify --help lists the keys")
			}
			expected.Count, expected.After = body.Count, body.After
			body.Expected = expected
			for _, d := range []struct {
				flag, text string
				to         **control.Duration
			}{{"within", within, &body.Within}, {"timeout", timeout, &body.Timeout}} {
				if d.text != "" {
					v, err := scenarios.ParseDuration(d.text)
					if err != nil {
						return fmt.Errorf("--%s: %w", d.flag, err)
					}
					*d.to = (*control.Duration)(&v)
				}
			}
			var out control.Verification
			err = c.do(ctx, http.MethodPost, "/verify", nil, body, &out, func() {
				c.say("%s: %s: %s", out.Outcome, out.Want, out.Why)
				for _, n := range out.Nearest {
					c.say("  near miss, entry %d: %s\n    %s", n.Seq, n.Text, strings.Join(n.Differs, "; "))
				}
			})
			switch {
			case err != nil:
				return err
			case out.Outcome == "fail":
				return ended(1)
			case out.Outcome != "pass":
				return ended(2)
			}
			return nil
		})
	cmd.Long = `Verify judges whether so many requests have come as are expected: those of which every KEY=VALUE is true. Keys
are operation, user, node, client, userAgent, path, stateInfo (sent or none), status, fault, advice,
impairment, from and until (simulated times), and criteria as the request sent them: max, class, model,
criteriaStatus, nodeName, selectBy, item, protocol, download, device, number. A * in a value stands for any text.

The exit status is 0 when it is so, 1 when it is not, and 2 when it cannot be told, as the journal has
dropped requests on which it depends.`
	cmd.Example = `  risim ctl verify operation=selectCmDevice item='SEP*'
  risim ctl verify fault=rateLimit --count 0
  risim ctl verify operation=selectCmDeviceExt --count '>= 2' --within 5m --timeout 30s`
	cmd.Flags().StringVar(&body.Count, "count", ">= 1", "`COUNT` expected: 2, '>= 1', '<= 3', 1..3, '!= 0'")
	cmd.Flags().Uint64Var(&body.After, "after", 0, "look at entries after number `N` only")
	cmd.Flags().StringVar(&within, "within", "", "wait until it is so, for `D` of simulated time at the most")
	cmd.Flags().StringVar(&timeout, "timeout", "", "wait for `D` of the wall's time at the most (default 30s with --within)")
	return cmd
}

// expectedOf reads what is expected of requests.
func expectedOf(args []string) (sim.Expected, error) {
	var e sim.Expected
	var bad []error
	texts := map[string]*string{
		"operation": &e.Operation, "user": &e.User, "node": &e.Node, "client": &e.Client, "userAgent": &e.UserAgent, "path": &e.Path, "stateInfo": &e.StateInfo,
		"fault": &e.Fault, "advice": &e.Advice, "impairment": &e.Impairment, "max": &e.Criteria.Max, "class": &e.Criteria.Class, "model": &e.Criteria.Model,
		"criteriaStatus": &e.Criteria.Status, "nodeName": &e.Criteria.Node, "selectBy": &e.Criteria.SelectBy, "protocol": &e.Criteria.Protocol, "download": &e.Criteria.Download,
	}
	lists := map[string]*[]string{"item": &e.Criteria.Items, "device": &e.Criteria.Devices, "number": &e.Criteria.Numbers}
	times := map[string]*time.Time{"from": &e.From, "until": &e.Until}
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		var at control.Time
		switch {
		case !ok:
			bad = append(bad, fmt.Errorf("%q is not KEY=VALUE", a))
		case texts[key] != nil:
			*texts[key] = value
		case lists[key] != nil:
			*lists[key] = append(*lists[key], value)
		case key == "status":
			n, err := strconv.Atoi(value)
			if err != nil {
				bad = append(bad, fmt.Errorf("status %q is not a number", value))
			}
			e.Status = n
		case times[key] != nil:
			if err := at.UnmarshalText([]byte(value)); err != nil {
				bad = append(bad, fmt.Errorf("%s: %w", key, err))
			}
			*times[key] = at.Time
		default:
			known := slices.Concat(slices.Sorted(maps.Keys(texts)), slices.Sorted(maps.Keys(lists)), slices.Sorted(maps.Keys(times)), []string{"status"})
			if near := cluster.Near(key, known); near != "" {
				bad = append(bad, fmt.Errorf("unknown key %q; did you mean %q?", key, near))
			} else {
				bad = append(bad, fmt.Errorf("unknown key %q; there are %s", key, strings.Join(known, ", ")))
			}
		}
	}
	return e, errors.Join(bad...)
}

func (c *ctl) explainCommand() *cobra.Command {
	var body sim.ExplainRequest
	file := ""
	cmd := c.command("explain DEVICE [KEY=VALUE...]", "Tell whether a device is in the answer to a request, and if not, what keeps it out", cobra.ArbitraryArgs,
		func(ctx context.Context, args []string) error {
			r := body
			if len(args) > 0 && !strings.Contains(args[0], "=") {
				r.Device, args = args[0], args[1:]
			}
			if file != "" {
				text, err := c.read(file)
				if err != nil {
					return err
				}
				r.XML = string(text)
			}
			e, err := expectedOf(args)
			if err != nil {
				return hint(err, "risim ctl explain --help lists the keys")
			}
			r.Operation, r.Criteria = e.Operation, e.Criteria
			if e.RequestFilter.Operation = ""; len(args) > 0 {
				e.Criteria = sim.Criteria{}
				if !reflect.ValueOf(e).IsZero() {
					return hint(errors.New("only operation and criteria can be explained"), "risim ctl explain --help lists the keys")
				}
			}
			var out sim.Explained
			err = c.do(ctx, http.MethodPost, "/explain", nil, r, &out, func() { fmt.Fprint(c.stdout, out) })
			if err == nil && !out.Found {
				return ended(1)
			}
			return err
		})
	cmd.Long = `Explain tells whether a device is in the answer to a request and, when it is not, which criterion, node, limit
or rule keeps it out. The request is that of an entry of the journal (--seq), an envelope in a file (--xml), or an
operation with criteria as KEY=VALUE: operation, max, class, model, criteriaStatus, nodeName, selectBy, item, protocol,
download, device, number. For selectCtiItem it can be about --application and --line too.

The exit status is 0 when it is in the answer, 1 when it is not, 2 when that cannot be told.`
	cmd.Example = `  risim ctl explain SEP000102030405 --seq 17
  risim ctl explain SEP000102030405 operation=selectCmDeviceExt selectBy=Name 'item=SEP*'`
	cmd.Flags().Uint64Var(&body.Seq, "seq", 0, "`N`umber of the request's entry in the journal")
	cmd.Flags().StringVar(&file, "xml", "", "`FILE` with the request's envelope, - for stdin")
	cmd.Flags().StringVar(&body.Application, "application", "", "`NAME` or AppId of an application, for selectCtiItem")
	cmd.Flags().StringVar(&body.Line, "line", "", "`NUMBER` of a line, for selectCtiItem")
	cmd.ValidArgsFunction = c.completeDevices
	return cmd
}

func (c *ctl) adviceCommand() *cobra.Command {
	none := false
	cmd := c.command("advice", "Sum the advice on what clients did", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		var out sim.AdviceReport
		err := c.do(ctx, http.MethodGet, "/advice", nil, nil, &out, func() { fmt.Fprint(c.stdout, out) })
		if err == nil && none && len(out.Advice) > 0 {
			return ended(1)
		}
		return err
	})
	cmd.Flags().BoolVar(&none, "none", false, "end with status 1 when there is any")
	return cmd
}

// follow shows entries as they happen.
func (c *ctl) follow(ctx context.Context, at string, query url.Values) error {
	out := &eventLines{c: c}
	err := c.client().Do(ctx, http.MethodGet, at+"/journal/stream?"+query.Encode(), nil, out)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// eventLines takes server-sent events and shows each entry of the journal in a line.
type eventLines struct {
	c    *ctl
	rest []byte
}

// Write takes a part of the stream.
func (l *eventLines) Write(data []byte) (int, error) {
	l.rest = append(l.rest, data...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(data), nil
		}
		l.rest = rest
		text, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		if l.c.json {
			l.c.say("%s", text)
			continue
		}
		var e struct {
			sim.JournalLine
			Dropped uint64 `json:"dropped"`
		}
		switch err := json.Unmarshal(text, &e); {
		case err != nil:
			return 0, err
		case e.Dropped > 0:
			l.c.say("%d entries came too fast to be shown", e.Dropped)
		default:
			l.c.say("%6d  %s", e.Seq, e.Text)
		}
	}
}
