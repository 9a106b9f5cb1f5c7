//go:build judges

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// risim run on ready scenarios, with clients that nobody here wrote under it: it passes, fails, and is inconclusive, its exit
// status says so, and a parser reads its JUnit file.
func TestJudges_Run(t *testing.T) {
	curl := `curl --silent --show-error --noproxy '*' --cacert "$RISIM_CA_FILE" -u "$RISIM_USER:$RISIM_PASSWORD" -d '` + tryQuery + `' "$RISIM_URL"`
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		stdout string
		junit  string
	}{
		{"pass", []string{"rate-limit-squeeze", "--manual-clock", "--", "/usr/bin/python3", "testdata/judges/run.py", "polite"}, 0,
			"18 answers, 4 refusals",
			`rate-limit-squeeze 6 0 0
rate-limit-squeeze.yaml:True fine-before
rate-limit-squeeze.yaml:True backs-off
rate-limit-squeeze.yaml:True waits
rate-limit-squeeze.yaml:True goes-on
rate-limit-squeeze.yaml:True recovers
- command python3
`},
		{"fail", []string{"rate-limit-squeeze", "--manual-clock", "--", "/usr/bin/python3", "testdata/judges/run.py", "hasty"}, 1,
			"answers, ",
			`rate-limit-squeeze 6 4 0
rate-limit-squeeze.yaml:True fine-before failure
rate-limit-squeeze.yaml:True backs-off failure
rate-limit-squeeze.yaml:True waits failure
rate-limit-squeeze.yaml:True goes-on
rate-limit-squeeze.yaml:True recovers failure
- command python3
`},
		{"inconclusive", []string{"node-not-responding", "--", "sh", "-c", curl}, 2,
			"<ns1:TotalDevicesFound>10</ns1:TotalDevicesFound>",
			`node-not-responding 4 0 2
node-not-responding.yaml:True nobody-gone error
node-not-responding.yaml:True polite
node-not-responding.yaml:True patient error
- command sh
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "junit.xml")
			cmd := exec.CommandContext(t.Context(), "risim", append([]string{"run", "--junit", file}, tt.args...)...)
			cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			require.Equal(t, tt.status, cmd.ProcessState.ExitCode(), "%s%s", stdout.String(), stderr.String())
			require.Contains(t, stdout.String(), tt.stdout)
			require.Contains(t, stderr.String(), "risim: scenario "+tt.args[0]+", seed ")

			read := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/judges/junit.py", file)
			out, err := read.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, tt.junit, string(out))
		})
	}
}

// The last thing that README.md has a newcomer do, which needs curl.
func TestJudges_FirstScenario(t *testing.T) {
	dir, sessions := newcomer(t)
	typed(t, dir, sessions[2])
}
