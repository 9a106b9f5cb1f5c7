package sim_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// What an explanation says of a request of the journal, of an envelope and of criteria.
func TestExplain(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Plain: true, Set: []string{"rateLimit=7"}})
	ask(t, ris, ris.URL, "selectCmDevice", "MaxReturnedDevices=1", "SelectBy=Name", "Item=SEP*")         // 1
	ask(t, ris, ris.URL, "selectCmDevice", "DeviceClass=Telephone", "SelectBy=Name", "Item=SEP02*,ATA*") // 2
	ask(t, ris, ris.URL, "selectCmDeviceExt", "SelectBy=Name", "Item=SEP*")                              // 3
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=SEP*", "Protocol=Smoke")               // 4
	resp, err := ris.Client().Post(ris.URL, "text/xml", strings.NewReader(strings.Repeat("x", 100)))     // 5
	require.NoError(t, err)
	resp.Body.Close()
	const a, b = "SEP0200000000A1", "SEP0200000000B2"
	explain := func(r sim.ExplainRequest) string {
		t.Helper()
		e, err := ris.Explain(r)
		require.NoError(t, err)
		want := ris.Snapshot().Version
		if r.Seq != 0 && len(e.Notes) == 0 {
			want = 1 // all requests are of the beginning
		}
		require.Equal(t, want, e.Version)
		return e.String()
	}
	require.Equal(t, "device SEP0200000000A1 is in the answer\n  number 1 of what sub1 answers, and 1 of all\n", explain(sim.ExplainRequest{Seq: 1, Device: a}))
	require.Equal(t, "device SEP0200000000B2 is not in the answer\n  Its record on sub2 matches, and was cut off: it is number 2 of the 2 that match. (Q2)\n", explain(sim.ExplainRequest{Seq: 1, Device: b}))
	require.Equal(t, `device SEP0200000000A1 is not in the answer
  The query asks for a class or a status that does not exist, which nothing has. (Q4)
  Item "SEP02*,ATA*" does not match its name. (W1)
  advice unknown-device-class: DeviceClass "Telephone" is none of the contract's, so nothing can match.
  advice comma-in-item: Item "SEP02*,ATA*" holds a comma, which is an ordinary character: it does not separate names.
`, explain(sim.ExplainRequest{Seq: 2, Device: a}))
	require.Equal(t, `device sep0200000000a1 is not in the answer
  Item "SEP*" does not match its name. (W1)
  An item would match if * stood for any text, which it does not in selectCmDeviceExt. (W5)
  advice ext-wildcard: Item "SEP*" of selectCmDeviceExt holds *, which is not a wildcard there.
`, explain(sim.ExplainRequest{Seq: 3, Device: "sep0200000000a1"}))
	require.Equal(t, "device SEP0200000000A1 is not in the answer\n  The request got the fault badValue: Protocol \"Smoke\" is not one of Any, SCCP, SIP, Unknown. (Q6)\n", explain(sim.ExplainRequest{Seq: 4, Device: a}))
	require.Equal(t, "device SEP0200000000A1 is not in the answer\n  The request got the status 401. (H5)\n", explain(sim.ExplainRequest{Seq: 5, Device: a}))
	require.Equal(t, "device SEP0200000000A1 is not in the answer\n  The request gets a fault: Protocol \"Smoke\" is not one of Any, SCCP, SIP, Unknown. (Q6)\n",
		explain(sim.ExplainRequest{Operation: "selectcmdevice", Criteria: sim.Criteria{Protocol: "Smoke", Items: []string{"*"}, SelectBy: "Name"}, Device: a}))
	require.Equal(t, "device SEP0200000000B2 is not in the answer\n  It has a record on sub2, which the query does not ask: NodeName is SUB1. (Q8)\n",
		explain(sim.ExplainRequest{Operation: "selectCmDevice", Criteria: sim.Criteria{Node: "SUB1", Items: []string{"*"}, SelectBy: "Name"}, Device: b}))
	require.Equal(t, "application nobody, line 1 is not in the answer\n  No application \"nobody\" is known on any node. (C1)\n",
		explain(sim.ExplainRequest{Operation: "selectCtiItem", Criteria: sim.Criteria{Class: "Line"}, Application: "nobody", Line: "1"}))
	xml := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><selectCmDevice><CmSelectionCriteria><SelectBy>Name</SelectBy><SelectItems><item><Item>SEP*</Item></item></SelectItems></CmSelectionCriteria></selectCmDevice></e:Body></e:Envelope>`
	require.Equal(t, "device SEP0200000000B2 is in the answer\n  number 1 of what sub2 answers, and 2 of all\n", explain(sim.ExplainRequest{XML: xml, Device: b}))
	require.Equal(t, "device SEP0200000000B2 is not in the answer\n  The request gets a fault: "+soapFaultOf("<x/>")+" (X7)\n", explain(sim.ExplainRequest{XML: "<x/>", Device: b}))

	require.NoError(t, ris.Apply(cluster.SetNodeState{Node: "sub1", State: cluster.Down}))
	then := explain(sim.ExplainRequest{Seq: 1, Device: a})
	require.Contains(t, then, "device SEP0200000000A1 is in the answer\n", "as it was answered")
	for range 100 { // until the snapshot of then is not kept any more
		require.NoError(t, ris.Apply(cluster.SetNodeState{Node: "sub1", State: cluster.Down}))
	}
	require.Equal(t, `device SEP0200000000A1 is not in the answer
  It has a record on sub1, which does not respond: it is down. (R5)
  The cluster has changed since the request, from version 1: this is how it is now.
`, explain(sim.ExplainRequest{Seq: 1, Device: a}))

	for want, r := range map[string]sim.ExplainRequest{
		"expected one of seq, xml and operation, not 0 of them\ncriteria and stateInfo go with operation\nexpected what to explain: device, application or line": {Criteria: sim.Criteria{Max: "1"}},
		"expected one of seq, xml and operation, not 2 of them":                                       {Seq: 1, XML: "x", Device: a},
		"the journal has no entry 999: it holds 1 to 106":                                             {Seq: 999, Device: a},
		"entry 6 of the journal is no request but a change":                                           {Seq: 6, Device: a},
		"an answer to selectCmDevice has devices: expected device only, neither application nor line": {Seq: 1, Line: "1"},
		`unknown operation "selectCmDevices"; did you mean "selectCmDevice"?`:                         {Operation: "selectCmDevices", Device: a},
	} {
		_, err := ris.Explain(r)
		require.EqualError(t, err, want)
	}
	none := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, JournalSize: -1})
	_, err = none.Explain(sim.ExplainRequest{Seq: 1, Device: a})
	require.EqualError(t, err, "the journal has no entry 1: it holds none")
}

func soapFaultOf(xml string) string {
	_, fault := soap.Decode([]byte(xml), "", soap.Limits{})
	return strings.TrimSuffix(fault.String, ".") + "."
}

// Over the wire: an explanation of a request that was answered says that something is in the answer exactly when the answer has it, for all
// three operations.
func TestExplain_AgreesWithAnswers(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{InMemory: true, Plain: true, Set: []string{"rateLimit=0", "nodeTimeout=0s"}, JournalRaw: -1})
	var names []string
	for d := range ris.Snapshot().Devices() {
		if len(names) < 400 {
			names = append(names, string(d.Name))
		}
	}
	apps := ris.Snapshot().Applications()
	rapid.Check(t, func(r *rapid.T) {
		pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(r, what) }
		if rapid.IntRange(0, 9).Draw(r, "node") == 0 {
			node := ris.Snapshot().Nodes()[rapid.IntRange(0, 2).Draw(r, "which")].Name
			require.NoError(r, ris.Apply(cluster.SetNodeState{Node: node, State: cluster.NodeState(rapid.IntRange(0, 1).Draw(r, "state"))}))
		}
		name := rapid.SampledFrom(names).Draw(r, "device")
		item := pick("item", "*", name, name[:4]+"*", "*"+name[len(name)-2:], strings.ToLower(name), "SEP*")
		node := pick("NodeName", "", "", "", "cucm-pub", "cucm-sub1", "nowhere")
		max := pick("max", "0", "1", "5", "100")
		op := pick("operation", "selectCmDevice", "selectCmDeviceExt", "selectCtiItem")
		want := sim.ExplainRequest{Device: name}
		var found bool
		if op == "selectCtiItem" {
			app := apps[rapid.IntRange(0, len(apps)-1).Draw(r, "app")]
			class := pick("class", "Provider", "Device", "Line")
			doc := askCti(t, ris, class, pick("status", "Any", "Any", "Open", "Closed"), node, max, pick("app item", "", app.ID(), app.Name+"*", "x"))
			want = sim.ExplainRequest{Application: app.ID()}
			found = strings.Contains(doc, "<ns1:AppId>"+app.ID()+"<")
			if len(app.Devices) > 0 && class != "Provider" {
				want = sim.ExplainRequest{Device: string(app.Devices[0].Name)}
				found = strings.Contains(doc, "<ns1:DeviceName>"+want.Device+"<")
			}
		} else {
			got := ask(t, ris, ris.URL, op, "MaxReturnedDevices="+max, "DeviceClass="+pick("class", "Any", "Any", "Phone", "Gateway"), "Status="+pick("status", "Any", "Any", "Registered", "UnRegistered"),
				"NodeName="+node, "SelectBy=Name", "Item="+item)
			found = slices.Contains(got.names, name)
		}
		want.Seq = ris.JournalStats().Last
		e, err := ris.Explain(want)
		require.NoError(r, err)
		require.Equal(r, found, e.Found, "%s", e)
		require.Equal(r, !found, len(e.Reasons) > 0, "%s", e)
		require.Empty(r, e.Notes)
	})
}

func askCti(t testing.TB, ris *sim.Simulator, class, status, node, max, app string) string {
	t.Helper()
	body := fmt.Sprintf(`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><selectCtiItem><StateInfo/><CtiSelectionCriteria><MaxReturnedItems>%s</MaxReturnedItems>`+
		`<CtiMgrClass>%s</CtiMgrClass><Status>%s</Status><NodeName>%s</NodeName><SelectAppBy>AppId</SelectAppBy><AppItems><item><AppItem>%s</AppItem></item></AppItems></CtiSelectionCriteria></selectCtiItem></e:Body></e:Envelope>`,
		max, class, status, node, app)
	req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(body))
	require.NoError(t, err)
	req.SetBasicAuth(ris.User, ris.Password)
	resp, err := ris.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, string(data))
	return string(data)
}
