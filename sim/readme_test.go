package sim_test

import (
	"encoding/xml"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
)

// The test that README.md shows.

func TestPollerSeesOutage(t *testing.T) {
	ris := sim.ForTest(t, sim.Options{Cluster: "default", Seed: 7})
	p := newPoller(ris.URL, ris.User, ris.Password, ris.Client()) // your code
	before := p.Poll(t)
	ris.Apply(sim.StopNode("cucm-sub1")) // and its phones are gone
	ris.Advance(time.Minute)             // the next minute of the rate limit; takes no time
	if after := p.Poll(t); after >= before {
		t.Errorf("%d phones before the outage, %d after\n%s", before, after, ris.Journal())
	}
}

// poller counts registered phones.
type poller struct {
	url, user, password string
	client              *http.Client
}

func newPoller(url, user, password string, client *http.Client) *poller {
	return &poller{url, user, password, client}
}

func (p *poller) Poll(t *testing.T) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.url, strings.NewReader(`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>`+
		`<selectCmDevice xmlns="http://schemas.cisco.com/ast/soap"><CmSelectionCriteria><DeviceClass>Phone</DeviceClass><Status>Registered</Status>`+
		`</CmSelectionCriteria></selectCmDevice></Body></Envelope>`))
	require.NoError(t, err)
	req.SetBasicAuth(p.user, p.password)
	resp, err := p.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer struct {
		Total int `xml:"Body>selectCmDeviceResponse>selectCmDeviceReturn>SelectCmDeviceResult>TotalDevicesFound"`
	}
	require.NoError(t, xml.NewDecoder(resp.Body).Decode(&answer))
	require.NotZero(t, answer.Total)
	return answer.Total
}

// What README.md shows of Go stands in this file, where it is compiled and run.
func TestReadme_GoIsTested(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	blocks := 0
	for _, part := range strings.Split(string(readme), "```go\n")[1:] {
		code, _, _ := strings.Cut(part, "```")
		require.Contains(t, string(source), code)
		blocks++
	}
	require.Equal(t, 1, blocks)
}
