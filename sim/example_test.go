package sim_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
)

// The first query: which phones of the default cluster were refused, and by whom?
func ExampleStart() {
	ris, err := sim.Start(context.Background(), sim.Options{Manual: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ris.Close()

	reply := query(ris, "selectCmDevice", criteria{Class: "Phone", Status: "Rejected", Items: items{{"*"}}})
	fmt.Println(reply.Total, "found")
	for _, node := range reply.Nodes {
		for _, d := range node.Devices {
			fmt.Println(node.Name, d.Name, d.Status, "reason", d.Reason)
		}
	}
	// Output:
	// 2 found
	// cucm-sub1 SEP5A2492887CC0 Rejected reason 15
	// cucm-sub1 SEPCE50D13F5922 Rejected reason 3
}

// A ready scenario: phones move when their node dies, and come home when it is back. Time stands still but for Advance.
func ExampleStart_scenario() {
	ris, err := sim.Start(context.Background(), sim.Options{Scenario: "subscriber-outage", Manual: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ris.Close()
	for _, d := range []time.Duration{0, 4 * time.Minute, 10 * time.Minute} {
		ris.Advance(d)
		reply := query(ris, "selectCmDevice", criteria{Class: "Phone", Status: "Registered", Items: items{{"*"}}})
		fmt.Print(ris.Now().Format("15:04"))
		for _, node := range reply.Nodes {
			if len(node.Devices) > 0 {
				fmt.Print("  ", node.Name, " ", len(node.Devices))
			}
		}
		fmt.Println()
	}
	for _, v := range ris.Finish()[:2] {
		fmt.Println(v.ID, v.Outcome)
	}
	// Output:
	// 08:00  cucm-sub1 120  cucm-sub2 60
	// 08:04  cucm-sub2 180
	// 08:14  cucm-sub1 115  cucm-sub2 65
	// taken-over pass
	// returned pass
}

// A poller that asks by selectCmDevice sees a failover twice: the node that was left remembers the phone, and the node
// that took over has it. selectCmDeviceExt gives the newest record only.
func ExampleSimulator_Apply_failover() {
	ris, err := sim.Start(context.Background(), sim.Options{Manual: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ris.Close()
	all := query(ris, "selectCmDevice", criteria{Class: "Phone", Status: "Registered", Node: "cucm-sub1", Items: items{{"SEP*"}}})
	phone := all.Nodes[0].Devices[0].Name

	poll := func() {
		for _, operation := range []string{"selectCmDevice", "selectCmDeviceExt"} {
			fmt.Println(operation)
			for _, node := range query(ris, operation, criteria{Items: items{{phone}}}).Nodes {
				for _, d := range node.Devices {
					fmt.Println(" ", node.Name, d.Status, "reason", d.Reason)
				}
			}
		}
	}
	poll()
	ris.Advance(time.Minute)
	if err := ris.Apply(sim.Failover(cluster.DeviceName(phone), "cucm-sub2")); err != nil {
		log.Fatal(err)
	}
	poll()
	// Output:
	// selectCmDevice
	//   cucm-sub1 Registered reason 0
	// selectCmDeviceExt
	//   cucm-sub1 Registered reason 0
	// selectCmDevice
	//   cucm-sub1 UnRegistered reason 13
	//   cucm-sub2 Registered reason 0
	// selectCmDeviceExt
	//   cucm-sub2 Registered reason 0
}

// A client that is refused for asking too often waits for the next minute. On a manual clock that takes no time.
func ExampleSimulator_Advance_rateLimit() {
	ris, err := sim.Start(context.Background(), sim.Options{Manual: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ris.Close()

	for asked := 0; asked < 20; {
		reply := query(ris, "selectCmDevice", criteria{Items: items{{"SEP*"}}, Max: 1})
		if strings.Contains(reply.Fault, "Exceeded allowed rate") {
			fmt.Println("refused after", asked, "requests")
			ris.Advance(time.Minute)
			continue
		}
		asked++
	}
	fmt.Println(ris.Now().Format(time.TimeOnly))
	// Output:
	// refused after 15 requests
	// 08:01:00
}

// Two requests meet a server that is not there, and the one after them a good answer. The journal says which.
func ExampleSimulator_Impair() {
	ris, err := sim.Start(context.Background(), sim.Options{Manual: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ris.Close()
	if _, err := ris.Impair(`{id: dark, requests: {to: 2}, status: 503}`); err != nil {
		log.Fatal(err)
	}
	for range 3 {
		resp, err := ris.Client().Get(ris.URL) // which is no query, but a request all the same
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}
	fmt.Print(ris.Journal())
	// Output:
	// 08:00:00.000  step dark  00:00:00  impairment:1  impair  status
	// 08:00:00.000  cucm-pub  GET  /realtimeservice2/services/RISService70  503  impaired dark (status 503)
	// 08:00:00.000  cucm-pub  GET  /realtimeservice2/services/RISService70  503  impaired dark (status 503)
	// 08:00:00.000  cucm-pub  GET  /realtimeservice2/services/RISService70  405
}

// Who sends the StateInfo of the last answer back is told whether anything that the query matches has changed.
func ExampleSimulator_Apply_noChange() {
	ris, err := sim.Start(context.Background(), sim.Options{Manual: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ris.Close()

	registered := criteria{Class: "Phone", Status: "Registered", Node: "cucm-sub1", Items: items{{"*"}}}
	first := query(ris, "selectCmDevice", registered)
	registered.StateInfo = first.StateInfo
	again := query(ris, "selectCmDevice", registered)
	fmt.Println("again: no change", again.Nodes[0].NoChange, "devices", len(again.Nodes[0].Devices), "same state", again.StateInfo == first.StateInfo)

	gone := first.Nodes[0].Devices[0].Name
	if err := ris.Apply(sim.Unregister(cluster.DeviceName(gone), cluster.KeepAliveTimeout)); err != nil {
		log.Fatal(err)
	}
	after := query(ris, "selectCmDevice", registered)
	fmt.Println("after: no change", after.Nodes[0].NoChange, "one less", len(after.Nodes[0].Devices) == len(first.Nodes[0].Devices)-1)
	// Output:
	// again: no change true devices 0 same state true
	// after: no change false one less true
}

// A scenario can be edited while it runs: the plan says what becomes of the edit, and applying it changes that alone.
func ExampleSimulator_PlanReload() {
	scenario := func(phones int) []byte {
		return fmt.Appendf(nil, "cluster:\n  nodes: [{name: pub}]\n  devices: [{group: hq, count: %d, model: Cisco 8845, homes: [pub]}]\n", phones)
	}
	ris, err := sim.Start(context.Background(), sim.Options{ScenarioText: string(scenario(10)), Manual: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ris.Close()
	plan, err := ris.PlanReload(scenario(12))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan)
	if err := plan.Apply(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ris.Snapshot().Len(), "devices")
	// Output:
	// + 2 devices in group hq
	// 12 devices
}

// query is a client of RisPort70, as far as the examples need one.
func query(ris *sim.Simulator, operation string, c criteria) reply {
	c.Model, c.SelectBy, c.Protocol, c.Download = 255, "Name", "Any", "Any"
	if c.Max == 0 {
		c.Max = 1000
	}
	if c.Class == "" {
		c.Class = "Any"
	}
	if c.Status == "" {
		c.Status = "Any"
	}
	selection, err := xml.Marshal(c)
	if err != nil {
		log.Fatal(err)
	}
	var state strings.Builder
	xml.EscapeText(&state, []byte(c.StateInfo))
	body := fmt.Sprintf(`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><%[1]s xmlns="http://schemas.cisco.com/ast/soap">`+
		`<StateInfo>%s</StateInfo>%s</%[1]s></Body></Envelope>`, operation, state.String(), selection)

	req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	req.SetBasicAuth(ris.User, ris.Password)
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("SOAPAction", operation)
	resp, err := ris.Client().Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Reply reply  `xml:"Body>selectCmDeviceResponse>selectCmDeviceReturn"`
		Fault string `xml:"Body>Fault>faultstring"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	answer.Reply.Fault = answer.Fault
	return answer.Reply
}

type criteria struct {
	XMLName   struct{} `xml:"CmSelectionCriteria"`
	StateInfo string   `xml:"-"`
	Max       int      `xml:"MaxReturnedDevices"`
	Class     string   `xml:"DeviceClass"`
	Model     int      `xml:"Model"`
	Status    string   `xml:"Status"`
	Node      string   `xml:"NodeName"`
	SelectBy  string   `xml:"SelectBy"`
	Items     items    `xml:"SelectItems>item"`
	Protocol  string   `xml:"Protocol"`
	Download  string   `xml:"DownloadStatus"`
}

type items []struct{ Item string }

type reply struct {
	Fault     string
	Total     int    `xml:"SelectCmDeviceResult>TotalDevicesFound"`
	StateInfo string `xml:"StateInfo"`
	Nodes     []struct {
		Name     string
		NoChange bool
		Devices  []struct {
			Name, Status string
			Reason       int `xml:"StatusReason"`
		} `xml:"CmDevices>item"`
	} `xml:"SelectCmDeviceResult>CmNodes>item"`
}
