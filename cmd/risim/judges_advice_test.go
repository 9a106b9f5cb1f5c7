//go:build judges

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that takes StateInfo for a page cursor, an answer that was cut off for complete, and the rate fault for something to try again,
// earns exactly these three advices; and one that does what these advise earns none, and finds all phones.
func TestJudges_Advice(t *testing.T) {
	for _, tt := range []struct {
		client  string
		status  int
		advice  []string
		atLeast int // phones
	}{
		{"hasty", 1, []string{"poll-after-rate-fault", "result-at-limit", "state-info-as-cursor"}, 50},
		{"careful", 0, []string{"advice"}, 200},
	} {
		t.Run(tt.client, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "report.json")
			cmd := exec.CommandContext(t.Context(), "risim", "run", "--strict-client", "--manual-clock", "--json", file, "--rate-limit", "4", "--",
				"/usr/bin/python3", "testdata/judges/pager.py", tt.client)
			cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // of which the status is looked at
			require.Equal(t, tt.status, cmd.ProcessState.ExitCode(), "%s%s", stdout.String(), stderr.String())
			m := regexp.MustCompile(`^(\d+) phones\n$`).FindStringSubmatch(stdout.String())
			require.NotNil(t, m, stdout.String())
			phones, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			require.GreaterOrEqual(t, phones, tt.atLeast)
			if tt.client == "hasty" {
				require.Equal(t, 50, phones, "and believes it")
			}

			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var report struct{ Verdicts []struct{ ID string } }
			require.NoError(t, json.Unmarshal(data, &report))
			var ids []string
			for _, v := range report.Verdicts {
				ids = append(ids, v.ID)
			}
			slices.Sort(ids)
			require.Equal(t, tt.advice, ids, "%s", stderr.String())
		})
	}
}
