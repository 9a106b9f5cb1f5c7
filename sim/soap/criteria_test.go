package soap

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

func given(value string) Text { return Text{Value: value, Presence: Given} }

// The forms in which nothing is said.
var nothing = []Text{{}, {Presence: Nil}, {Presence: Empty}}

// Sections Q and W: what a request's texts become. Each case changes one thing in a request that asks for everything.
func TestTranslate_Devices(t *testing.T) {
	const op, ext = SelectCmDevice, SelectCmDeviceExt
	type query = cluster.DeviceQuery
	for _, c := range []struct {
		rule   string
		op     Operation
		change func(*Request)
		knobs  []knob
		want   func(*query)
		advice []string
	}{
		{"Q1 above", op, func(r *Request) { r.Max = given("1001") }, nil, nil, []string{AdviceAboveLimit}},
		{"Q1 far above", op, func(r *Request) { r.Max = given("4294967295") }, nil, nil, []string{AdviceAboveLimit}},
		{"Q1 at", op, func(r *Request) { r.Max = given("1000") }, nil, nil, nil},
		{"Q1 below", op, func(r *Request) { r.Max = given("7") }, nil, func(q *query) { q.Limit = 7 }, nil},
		{"Q1 zero", op, func(r *Request) { r.Max = given("0") }, nil, nil, nil},
		{"Q1 leading zeros and plus", op, func(r *Request) { r.Max = given("+0007") }, nil, func(q *query) { q.Limit = 7 }, nil},
		{"Q2 cucm-15", op, func(r *Request) { r.Max = given("2000") }, []knob{{"profile", "cucm-15"}}, func(q *query) { q.Limit = 2000 }, nil},
		{"Q2 reveal", op, func(*Request) {}, []knob{{"revealTruncation", "true"}}, func(q *query) { q.CountAll = true }, nil},
		{"Q4 class", op, func(r *Request) { r.Class = given("pHONE") }, nil, func(q *query) { q.Class = cluster.Phone }, nil},
		{"Q4 class Any", op, func(r *Request) { r.Class = given("any") }, nil, nil, nil},
		{"Q4 class Unknown", op, func(r *Request) { r.Class = given("Unknown") }, nil, func(q *query) { q.Class = cluster.UnknownClass }, nil},
		{"Q4 class unheard of", op, func(r *Request) { r.Class = given("Telephone") }, nil, func(q *query) { q.Nothing = true }, []string{AdviceUnknownClass}},
		{"Q4 status", op, func(r *Request) { r.Status = given("unregistered") }, nil, func(q *query) { q.Status = cluster.UnRegistered }, nil},
		{"Q4 status unheard of", op, func(r *Request) { r.Status = given("Gone") }, nil, func(q *query) { q.Nothing = true }, []string{AdviceUnknownStatus}},
		{"Q5 model", op, func(r *Request) { r.Model = given("437") }, nil, func(q *query) { q.Model = 437 }, nil},
		{"Q5 any", op, func(r *Request) { r.Model = given("255") }, nil, nil, nil},
		{"Q5 zero", op, func(r *Request) { r.Model = given("0") }, nil, nil, nil},
		{"Q5 unheard of", op, func(r *Request) { r.Model = given("4711") }, nil, func(q *query) { q.Model = 4711 }, []string{AdviceUnknownModel}},
		{"Q6 protocol", op, func(r *Request) { r.Protocol = given("SIP") }, nil, func(q *query) { q.Protocol = cluster.SIP }, nil},
		{"Q6 download", op, func(r *Request) { r.DownloadStatus = given("Failed") }, nil, func(q *query) { q.Download = cluster.Failed }, nil},
		{"Q7 description", op, func(r *Request) { r.SelectBy = given("Description") }, nil, func(q *query) { q.By = cluster.ByDescription }, nil},
		{"Q7 by number", op, func(r *Request) { r.SelectBy = given("DirNumber") }, nil, func(q *query) { q.By = cluster.ByDirNumber }, nil},
		{"Q7 nothing", op, func(r *Request) { r.SelectBy = Text{Presence: Nil} }, nil, nil, []string{AdviceNoSelectBy}},
		{"Q8", op, func(r *Request) { r.NodeName = given("Cucm-Sub1") }, nil, func(q *query) { q.Node = "Cucm-Sub1" }, nil},
		{"Q9 none", op, func(r *Request) { r.Items = nil }, nil, func(q *query) { q.Items = nil }, []string{AdviceEmptyItem}},
		{"Q9 empty", op, func(r *Request) { r.Items = []Text{given("A"), {Presence: Empty}} }, nil, func(q *query) { q.Items = []string{"A", ""} }, []string{AdviceEmptyItem}},
		{"Q9 nil", ext, func(r *Request) { r.Items = []Text{{Presence: Nil}} }, nil, func(q *query) { q.Items = []string{""} }, []string{AdviceEmptyItem}},
		{"Q9 comma", op, func(r *Request) { r.Items = []Text{given("A,B")} }, nil, func(q *query) { q.Items = []string{"A,B"} }, []string{AdviceComma}},
		{"Q9 comma in a description", op, func(r *Request) { r.SelectBy, r.Items = given("Description"), []Text{given("A,B")} }, nil,
			func(q *query) { q.By, q.Items = cluster.ByDescription, []string{"A,B"} }, nil},
		{"Q10", op, func(r *Request) { r.Class, r.Status, r.Protocol = given("Phone"), given("Registered"), given("SCCP") }, nil,
			func(q *query) { q.Class, q.Status, q.Protocol = cluster.Phone, cluster.Registered, cluster.SCCP }, nil},
		{"W1", op, func(r *Request) { r.Items = []Text{given("SEP*A")} }, nil, func(q *query) { q.Items = []string{"SEP*A"} }, nil},
		{"W5 literal", ext, func(r *Request) { r.Items = []Text{given("SEP*A")} }, nil, func(q *query) { q.Items = []string{"SEP*A"} }, []string{AdviceExtWildcard}},
		{"W5 accept", ext, func(r *Request) { r.Items = []Text{given("SEP*A")} }, []knob{{"extWildcard", "accept"}},
			func(q *query) { q.Items, q.Literal = []string{"SEP*A"}, false }, []string{AdviceExtWildcard}},
		{"W5 fault without wildcard", ext, func(*Request) {}, []knob{{"extWildcard", "fault"}}, nil, nil},
		{"W7 no address", op, func(r *Request) {
			r.SelectBy, r.Items = given("IPV4Address"), []Text{given("10.1*"), given("10.1.1"), given("10.1.2")}
		}, nil,
			func(q *query) { q.By, q.Items = cluster.ByIPv4, []string{"10.1*", "10.1.1", "10.1.2"} }, []string{AdviceNotAnAddress}},
		{"W7 other kind", op, func(r *Request) { r.SelectBy, r.Items = given("IPV6Address"), []Text{given("10.1.1.1")} }, nil,
			func(q *query) { q.By, q.Items = cluster.ByIPv6, []string{"10.1.1.1"} }, []string{AdviceNotAnAddress}},
		{"W7 addresses", op, func(r *Request) { r.SelectBy, r.Items = given("IPV6Address"), []Text{given("2001:DB8::1")} }, nil,
			func(q *query) { q.By, q.Items = cluster.ByIPv6, []string{"2001:DB8::1"} }, nil},
		{"N5", op, func(*Request) {}, []knob{{"noChange", "per-node"}}, func(q *query) { q.PerNode = true }, nil},
		{"N6 readable", op, func(r *Request) {
			r.StateInfo = `<StateInfo><Node Name="n" SubsystemStartTime="1" StateId="2" TotalItemsFound="3" TotalItemsReturned="4"/></StateInfo>`
		}, nil, func(q *query) { q.Since = []cluster.Mark{{Node: "n", Started: 1, StateID: 2, Found: 3, Returned: 4}} }, nil},
		{"N6 unreadable", op, func(r *Request) { r.StateInfo = "page 2" }, nil, nil, []string{AdviceStateInfoBad}},
		{"X6 out of order", op, func(r *Request) { r.OutOfOrder = "Model" }, nil, nil, []string{AdviceOutOfOrder}},
		{"X6 unknown", op, func(r *Request) { r.Unknown = "Modle" }, nil, nil, []string{AdviceUnknownElement}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			set := settingsOf(t, c.knobs...)
			req := &Request{Op: c.op, Items: []Text{given("A")}, SelectBy: given("Name"), Max: given("0")}
			c.change(req)
			want := query{Limit: set.maxReturned, Items: []string{"A"}, Newest: c.op == ext, Literal: c.op == ext}
			if c.want != nil {
				c.want(&want)
			}
			q, advice, fault := translate(req, &set, func(n uint32) bool { return n == 437 })
			require.Nil(t, fault)
			if diff := cmp.Diff(want, q.device); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
			assert.Equal(t, want.Limit, q.limit)
			assert.Equal(t, c.advice, idsOf(advice))
		})
	}
}

func idsOf(advice []Advice) []string {
	var ids []string
	for _, a := range advice {
		ids = append(ids, a.ID)
	}
	return ids
}

// Q1, Q4-Q8, X6: absent, nil and empty mean the same everywhere.
func TestTranslate_NothingIsNoFilter(t *testing.T) {
	set := settingsOf(t)
	want, _, _ := translate(&Request{Op: SelectCmDevice}, &set, nil)
	wantCti, _, _ := translate(&Request{Op: SelectCtiItem}, &set, nil)
	assert.Equal(t, cluster.DeviceQuery{Limit: 1000}, want.device)
	assert.Equal(t, cluster.CtiQuery{Limit: 1000}, wantCti.cti)
	for _, none := range nothing {
		req := Request{Op: SelectCmDevice, Max: none, Class: none, Model: none, Status: none, NodeName: none, SelectBy: none, Protocol: none, DownloadStatus: none}
		q, _, fault := translate(&req, &set, nil)
		require.Nil(t, fault)
		assert.Equal(t, want, q)
		req.Op = SelectCtiItem
		q, _, fault = translate(&req, &set, nil)
		require.Nil(t, fault)
		assert.Equal(t, wantCti, q)
	}
}

// Section C.
func TestTranslate_Cti(t *testing.T) {
	type query = cluster.CtiQuery
	for _, c := range []struct {
		rule   string
		change func(*Request)
		want   func(*query)
		advice []string
	}{
		{"C1 Provider", func(r *Request) { r.Class = given("Provider") }, func(q *query) { q.Class = cluster.Provider }, nil},
		{"C1 Device", func(r *Request) { r.Class = given("Device") }, func(q *query) { q.Class = cluster.CtiDevices }, nil},
		{"C1 nothing", func(r *Request) { r.Class = Text{} }, func(q *query) { q.Class = cluster.Provider }, []string{AdviceNoCtiClass}},
		{"C3 by user", func(r *Request) { r.SelectBy = given("UserId") }, func(q *query) { q.By = cluster.ByUserID }, nil},
		{"C3 by nothing", func(r *Request) { r.SelectBy = Text{Presence: Empty} }, nil, []string{AdviceNoSelectBy}},
		{"C3 by nothing for nothing", func(r *Request) { r.SelectBy, r.Items = Text{Presence: Empty}, []Text{{}} }, func(q *query) { q.Apps = []string{""} }, nil},
		{"C3 by address", func(r *Request) { r.SelectBy, r.Items = given("AppIPV4Address"), []Text{given("10.1.1.1")} },
			func(q *query) { q.By, q.Apps = cluster.ByAppIPv4, []string{"10.1.1.1"} }, nil},
		{"C3 by no address", func(r *Request) { r.SelectBy, r.Items = given("AppIPV6Address"), []Text{given("10.1.1.1")} },
			func(q *query) { q.By, q.Apps = cluster.ByAppIPv6, []string{"10.1.1.1"} }, []string{AdviceNotAnAddress}},
		{"C3 all three", func(r *Request) { r.DevNames, r.DirNumbers = []Text{given("D")}, []Text{given("1")} },
			func(q *query) { q.DevNames, q.Numbers = []string{"D"}, []string{"1"} }, nil},
		{"C3 comma", func(r *Request) { r.DirNumbers = []Text{given("1,2")} }, func(q *query) { q.Numbers = []string{"1,2"} }, []string{AdviceComma}},
		{"C4 DirNumbers", func(r *Request) { r.Class, r.DirNumbers = given("Device"), []Text{given("1")} },
			func(q *query) { q.Class, q.Numbers = cluster.CtiDevices, []string{"1"} }, []string{AdviceDirNumbersIgnored}},
		{"C4 DevNames", func(r *Request) { r.Class, r.DevNames = given("Provider"), []Text{given("D")} },
			func(q *query) { q.Class, q.DevNames = cluster.Provider, []string{"D"} }, []string{AdviceDevNamesIgnored}},
		{"C4 nothing ignored", func(r *Request) {
			r.Class, r.DevNames, r.DirNumbers = given("Provider"), []Text{{}}, []Text{{Presence: Nil}}
		},
			func(q *query) { q.Class, q.DevNames, q.Numbers = cluster.Provider, []string{""}, []string{""} }, nil},
		{"C5 status", func(r *Request) { r.Status = given("OpenFailed") }, func(q *query) { q.Status = cluster.OpenFailed }, nil},
		{"C5 node", func(r *Request) { r.NodeName = given("n") }, func(q *query) { q.Node = "n" }, nil},
		{"C5 limit", func(r *Request) { r.Max = given("5000") }, nil, []string{AdviceAboveLimit}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			set := settingsOf(t)
			req := &Request{Op: SelectCtiItem, Class: given("Line"), SelectBy: given("AppId"), Items: []Text{given("A")}}
			c.change(req)
			want := query{Limit: 1000, Class: cluster.CtiLines, Apps: []string{"A"}}
			if c.want != nil {
				c.want(&want)
			}
			q, advice, fault := translate(req, &set, nil)
			require.Nil(t, fault)
			if diff := cmp.Diff(want, q.cti); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
			assert.Equal(t, c.advice, idsOf(advice))
		})
	}
}

// Q1, Q5, Q6, Q7, C1, C3, C5, W5: every value that is refused, and how. Several bad values give the first one's fault.
func TestTranslate_Faults(t *testing.T) {
	number := " is not a whole number from 0 to 4294967295"
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{Op: SelectCmDevice, Max: given("1.5")}, `MaxReturnedDevices "1.5"` + number},
		{Request{Op: SelectCmDeviceExt, Max: given("0x10")}, `MaxReturnedDevices "0x10"` + number},
		{Request{Op: SelectCmDevice, Max: given("++1")}, `MaxReturnedDevices "++1"` + number},
		{Request{Op: SelectCtiItem, Max: given("-0")}, `MaxReturnedItems "-0"` + number},
		{Request{Op: SelectCmDevice, Model: given("Cisco 8845")}, `Model "Cisco 8845"` + number},
		{Request{Op: SelectCmDevice, Protocol: given("H.323")}, `Protocol "H.323" is not one of Any, SCCP, SIP, Unknown`},
		{Request{Op: SelectCmDevice, DownloadStatus: given("x")}, `DownloadStatus "x" is not one of Any, Upgrading, Successful, Failed, Unknown`},
		{Request{Op: SelectCmDevice, SelectBy: given("sipstatus")}, `SelectBy "sipstatus" stands in an edition of the reference but not in the contract, which has Name, IPV4Address, IPV6Address, DirNumber, Description`},
		{Request{Op: SelectCmDevice, Protocol: given("sip")}, `Protocol "sip" is not one of Any, SCCP, SIP, Unknown`},
		{Request{Op: SelectCmDevice, SelectBy: given("dirnumber")}, `SelectBy "dirnumber" is not one of Name, IPV4Address, IPV6Address, DirNumber, Description`},
		{Request{Op: SelectCtiItem, Class: given("provider")}, `CtiMgrClass "provider" is not one of Provider, Device, Line`},
		{Request{Op: SelectCmDevice, SelectBy: given("MAC")}, `SelectBy "MAC" is not one of Name, IPV4Address, IPV6Address, DirNumber, Description`},
		{Request{Op: SelectCtiItem, Class: given("Phone")}, `CtiMgrClass "Phone" is not one of Provider, Device, Line`},
		{Request{Op: SelectCtiItem, Status: given("Registered")}, `Status "Registered" is not one of Any, Open, Closed, OpenFailed, Unknown`},
		{Request{Op: SelectCtiItem, SelectBy: given("Name")}, `SelectAppBy "Name" is not one of AppId, AppIPV4Address, AppIPV6Address, UserId`},
		{Request{Op: SelectCmDevice, Max: given("a"), Model: given("b")}, `MaxReturnedDevices "a"` + number},
	} {
		set := settingsOf(t)
		_, _, fault := translate(&c.req, &set, nil)
		require.NotNil(t, fault, c.want)
		assert.Equal(t, &Fault{Name: FaultBadValue, Code: "soapenv:Client", String: c.want}, fault)
	}
	set := settingsOf(t, knob{"extWildcard", "fault"})
	_, _, fault := translate(&Request{Op: SelectCmDeviceExt, Items: []Text{given("A"), given("SEP*")}}, &set, nil)
	require.NotNil(t, fault)
	assert.Equal(t, `Item "SEP*": selectCmDeviceExt does not take the wildcard *`, fault.String)
	_, _, fault = translate(&Request{Op: SelectCmDevice, Items: []Text{given("SEP*")}}, &set, nil)
	assert.Nil(t, fault)
}

func translate(req *Request, set *Settings, known func(model uint32) bool) (query, []Advice, *Fault) {
	t := translator{req: req, set: set, known: known}
	return t.translate(), t.advice, t.fault
}
