//go:build judges

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The examples of tests in other languages pass, all at once against one process: their clusters share nothing. When what they
// expect is not so, they fail.
func TestJudges_Examples(t *testing.T) {
	ris := serve(t)
	t.Run("", func(t *testing.T) { // which ends when the parallel ones have
		for name, argv := range map[string][]string{
			"pytest": {"/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "../../fixtures/examples"},
			"node":   {"node", "--test", "../../fixtures/examples"},
			"php":    {"php", "../../fixtures/examples/poller_test.php"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				out, err := ris.command(ctx, t, argv, "RISIM_CONTROL_URL="+ris.ControlURL).CombinedOutput()
				require.NoError(t, err, "(a tool that is missing is installed by make test)\n%s", out)
				require.Regexp(t, map[string]string{"pytest": `4 passed`, "node": `# pass 3\n# fail 0`, "php": `(?s)^ok .*\nok .*\n$`}[name], string(out))
			})
			t.Run(name+" where it is not so", func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				out, err := ris.command(ctx, t, argv, "RISIM_CONTROL_URL=http://127.0.0.1:1").CombinedOutput() // where none is
				require.Error(t, err, "%s", out)
			})
		}
	})
	var left struct{ Clusters []struct{ Name string } }
	ris.api(t, http.MethodGet, "/clusters", nil, &left)
	require.Len(t, left.Clusters, 1, "every example has ended its clusters")
}

// A thousand small clusters that are used fit into a gigabyte.
func TestJudges_ThousandClusters(t *testing.T) {
	ris := serve(t)
	made := time.Now()
	urls := make([]string, 1000)
	for i := range urls {
		var one struct{ URL string }
		ris.api(t, http.MethodPost, "/clusters", map[string]any{"name": fmt.Sprintf("t%d", i), "ready": "single", "clock": "manual", "plain": true}, &one)
		urls[i] = one.URL
	}
	t.Logf("1,000 clusters made in %v, %d MiB resident", time.Since(made).Round(time.Millisecond), ris.resident(t)>>20)
	for _, url := range urls {
		one := *ris
		one.URL = url
		for range 5 {
			one.ask(t, selectCmDevice("selectCmDevice", "", "<Item>*</Item>", ""))
		}
		ris.client.CloseIdleConnections()
	}
	resident := ris.resident(t)
	t.Logf("after 5 requests to each, %d MiB resident", resident>>20)
	require.Less(t, resident, 1<<30)
	metrics := ris.get(t, ris.ControlURL+"/metrics")
	require.Contains(t, string(metrics), "risim_clusters 1001\n")
	require.LessOrEqual(t, len(regexp.MustCompile(`(?m)^risim_snapshot_version\{`).FindAll(metrics, -1)), 100, "labels are bounded")
}

// api makes a request to the control API.
func (s *server) api(t *testing.T, method, path string, in, out any) {
	t.Helper()
	data, err := json.Marshal(in)
	require.NoError(t, err)
	req, err := http.NewRequest(method, s.ControlURL+"/api/v1"+path, bytes.NewReader(data))
	require.NoError(t, err)
	resp, err := s.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, body.String())
	require.NoError(t, json.Unmarshal(body.Bytes(), out))
}

// resident is how much memory the server has, in bytes.
func (s *server) resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status"))
	require.NoError(t, err)
	kib := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, kib)
	n, err := strconv.Atoi(string(kib[1]))
	require.NoError(t, err)
	return n << 10
}
