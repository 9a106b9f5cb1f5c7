package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/risim/risim/sim/control"
)

// ctl is what the commands of risim ctl share. Each makes one request, and shows the answer as a table, or with --json as it is.
type ctl struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	url, token     string
	cluster        string
	json, dryRun   bool
	ifMatch        string
}

const ctlLong = `Ctl talks to the control API of a risim process: one that serve or run has started. It says where that is by
--control, or RISIM_CONTROL_URL, or it is at http://` + defaultControl + `.

A cluster is named by --cluster, or RISIM_CLUSTER; it is the one that is served, which is called main, or
the only one there is.

Exit status: 0 it is done, and what was asked holds; 1 what was asked does not hold, such as a verification;
2 it could not be done. With --json the answer is printed as the API gives it; risim ctl api tells of that.`

// newCtl is `risim ctl`.
func newCtl(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	c := &ctl{stdin: stdin, stdout: stdout, stderr: stderr}
	cmd := &cobra.Command{
		Use:   "ctl",
		Short: "See and change the clusters of a running risim",
		Long:  ctlLong,
		Example: `  risim ctl state
  risim ctl devices class=Phone status=UnRegistered
  risim ctl change 'devices.unregister: {where: {group: hq}, share: 10%}'
  risim ctl clock advance 5m
  risim ctl create t1 --ready branch --manual-clock`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.url, "control", cmp.Or(os.Getenv("RISIM_CONTROL_URL"), "http://"+defaultControl), "`URL` of the control API, or HOST:PORT")
	flags.StringVar(&c.token, "control-token", os.Getenv("RISIM_CONTROL_TOKEN"), "`TOKEN` that it asks for (or RISIM_CONTROL_TOKEN, which other users of this machine do not see)")
	flags.StringVarP(&c.cluster, "cluster", "c", os.Getenv("RISIM_CLUSTER"), "`NAME` of the cluster (default the one that is served, or the only one)")
	flags.BoolVar(&c.json, "json", false, "print the answer as JSON")
	// A token from the environment must not stand in the help.
	flags.Lookup("control-token").DefValue = ""
	flags.Lookup("cluster").DefValue = ""
	flags.Lookup("control").DefValue = "http://" + defaultControl
	_ = cmd.RegisterFlagCompletionFunc("cluster", c.completeClusters)
	cmd.AddCommand(c.clusterCommands()...)
	cmd.AddCommand(c.stateCommands()...)
	cmd.AddCommand(c.changeCommands()...)
	cmd.AddCommand(c.serviceCommands()...)
	cmd.AddCommand(c.momentCommands()...)
	cmd.AddCommand(c.journalCommands()...)
	return cmd
}

// client is the way to the API.
func (c *ctl) client() *control.Client {
	u := c.url
	if !strings.Contains(u, "://") {
		u = "http://" + u
	}
	return &control.Client{URL: u, Token: c.token}
}

// where is the path of the cluster.
func (c *ctl) where(ctx context.Context) (string, error) {
	name := c.cluster
	if name == "" {
		var list control.Clusters
		if err := c.client().Do(ctx, http.MethodGet, "/clusters", nil, &list); err != nil {
			return "", err
		}
		var names []string
		for _, one := range list.Clusters {
			names = append(names, one.Name)
		}
		switch {
		case slices.Contains(names, mainCluster):
			name = mainCluster
		case len(names) == 1:
			name = names[0]
		case len(names) == 0:
			return "", hint(errors.New("there is no cluster"), "risim ctl create makes one")
		default:
			return "", hint(fmt.Errorf("there are %d clusters: %s", len(names), listed(names)), "--cluster NAME chooses one")
		}
	}
	return "/clusters/" + url.PathEscape(name), nil
}

func listed(names []string) string {
	if more := len(names) - 20; more > 0 {
		return strings.Join(names[:20], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// do makes a request about the cluster and shows the answer, of which out is the type.
func (c *ctl) do(ctx context.Context, method, path string, query url.Values, in, out any, show func()) error {
	at, err := c.where(ctx)
	if err != nil {
		return err
	}
	return c.ask(ctx, method, at+path, query, in, out, show)
}

// ask is do for a whole path. Without a show the answer is said to be done.
func (c *ctl) ask(ctx context.Context, method, path string, query url.Values, in, out any, show func()) error {
	if query == nil {
		query = url.Values{}
	}
	if c.dryRun {
		query.Set("dryRun", "true")
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var header []string
	if c.ifMatch != "" {
		header = []string{"If-Match", `"` + strings.Trim(c.ifMatch, `"`) + `"`}
	}
	var raw bytes.Buffer
	if err := c.client().Do(ctx, method, path, in, &raw, header...); err != nil {
		return err
	}
	if out != nil {
		if err := json.Unmarshal(raw.Bytes(), out); err != nil {
			return fmt.Errorf("the answer of the control API cannot be read: %w", err)
		}
	}
	if c.json {
		_, err := c.stdout.Write(raw.Bytes())
		return err
	}
	show()
	return nil
}

// hinted adds what to type next, where that is known.
func (c *ctl) hinted(err error) error {
	var p *control.Problem
	switch {
	case errors.As(err, new(hinted)):
	case errors.Is(err, syscall.ECONNREFUSED):
		return hint(err, "risim serve starts one; --control URL says where another is")
	case errors.As(err, &p) && p.Type == control.ProblemToken:
		return hint(err, "--control-token TOKEN, or RISIM_CONTROL_TOKEN")
	}
	return err
}

// changing are the flags of a command that changes something.
func (c *ctl) changing(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "only tell what would happen")
	cmd.Flags().StringVar(&c.ifMatch, "if-match", "", "do nothing if the snapshot has another `VERSION` by now")
	return cmd
}

// table writes rows of columns.
func (c *ctl) table(header string, rows func(row func(columns ...any))) {
	w := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	if header != "" {
		fmt.Fprintln(w, header)
	}
	rows(func(columns ...any) {
		for i, col := range columns {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cmp.Or(fmt.Sprint(col), "-"))
		}
		fmt.Fprintln(w)
	})
	w.Flush()
}

// say writes a line.
func (c *ctl) say(format string, args ...any) { fmt.Fprintf(c.stdout, format+"\n", args...) }

// changed says what a change has come to.
func (c *ctl) changed(done string, ch control.Change) {
	if ch.DryRun {
		c.say("dry run: %s", done)
		return
	}
	c.say("%s  (version %d, %s%s)", done, ch.Version, clockText(ch.Time), entries(ch.Events))
}

func clockText(t control.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func entries(events []uint64) string {
	switch len(events) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", entry %d", events[0])
	}
	return fmt.Sprintf(", entries %d to %d", events[0], events[len(events)-1])
}

// command makes a command of ctl. ctx ends with an interrupt.
func (c *ctl) command(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  args,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return c.hinted(run(ctx, args))
		},
	}
}

// read reads an argument that is a file, "-" being stdin.
func (c *ctl) read(name string) (control.YAML, error) {
	var data []byte
	var err error
	if name == "-" {
		data, err = io.ReadAll(c.stdin)
	} else {
		data, err = os.ReadFile(name)
	}
	return control.YAML(data), err
}

// parameters reads KEY=VALUE arguments.
func parameters(args []string) (url.Values, error) {
	out := url.Values{}
	var bad []error
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			bad = append(bad, fmt.Errorf("%q is not KEY=VALUE", a))
			continue
		}
		out.Add(key, value)
	}
	return out, errors.Join(bad...)
}

func (c *ctl) completeClusters(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list control.Clusters
	if err := c.client().Do(cmd.Context(), http.MethodGet, "/clusters", nil, &list); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, one := range list.Clusters {
		names = append(names, one.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeDevices completes names of devices, which are looked for by what has been typed.
func (c *ctl) completeDevices(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var page control.Devices
	at, err := c.where(cmd.Context())
	if err == nil && len(args) == 0 {
		err = c.client().Do(cmd.Context(), http.MethodGet, at+"/devices?limit=200&name="+url.QueryEscape(typed+"*"), nil, &page)
	}
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range page.Devices {
		names = append(names, d.Name+"\t"+d.Description)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
