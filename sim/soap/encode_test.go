package soap

import (
	"encoding/xml"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// referenceCluster holds what the samples of Cisco's reference show. started and stateID are the node's.
func referenceRig(t *testing.T, node cluster.NodeName, started, ctiStarted int64, stateID, ctiStateID uint64) *rig {
	t.Helper()
	app := cluster.Application{
		Name: "cucmuser", Instance: 4963, Address: netip.MustParseAddr("192.168.168.169"), User: "cucmuser", Node: node,
		Status: cluster.Closed, Reason: 2, TimeStamp: 1412194696,
		Devices: []cluster.CtiDevice{{Name: "SEPF01FAF38ABC2", Status: cluster.Open, Reason: 7, TimeStamp: 1412194000,
			Lines: []cluster.CtiLine{{Number: "1002", Status: cluster.Closed, TimeStamp: 1412194696}}}},
	}
	phone := cluster.Registration{Device: "SEPE8B7480316D6", Node: node, Record: cluster.Record{
		Status: cluster.Registered, TimeStamp: 1411595208, Attempts: cluster.Some(0),
		Lines: []cluster.Line{{Number: "6961", Status: cluster.Registered}}, IPv4: netip.MustParseAddr("192.168.168.186"),
		ActiveLoad: "SCCP69xx.9-4-1-3SR1", Download: cluster.UnknownDownload,
	}}
	r := newRigOf(t, cluster.Config{
		Nodes: []cluster.Node{{Name: node, Publisher: true, Started: started, CtiStarted: ctiStarted}},
		Devices: []cluster.Device{{
			Name: "SEPE8B7480316D6", Description: "SEPE8B7480316D6", Class: cluster.Phone, Protocol: cluster.SCCP, Httpd: cluster.HttpdYes,
			Attribute: cluster.AdministrativeAndSignaling, IsCtiControllable: true, Model: 497, Product: cluster.Some(384),
			BoxProduct: cluster.Some(0), PerfMonObject: cluster.Some(2), DChannel: cluster.Some(0), Lines: []string{"6961"},
		}},
		Registrations: []cluster.Registration{phone},
		Applications:  []cluster.Application{app},
	})
	for n := 0; r.store.Snapshot().Nodes()[0].StateID < stateID; n++ {
		changed := phone
		changed.Attempts = cluster.Some(uint32(n%2 + 1))
		if r.store.Snapshot().Nodes()[0].StateID == stateID-1 {
			changed = phone
		}
		r.apply(cluster.SetRecord{Registration: changed})
	}
	for n := 0; r.store.Snapshot().Nodes()[0].CtiStateID < ctiStateID; n++ {
		changed := app
		changed.Reason = uint32(n%2 + 3)
		if r.store.Snapshot().Nodes()[0].CtiStateID == ctiStateID-1 {
			changed = app
		}
		r.apply(cluster.SetApplication{Application: changed})
	}
	require.Equal(t, stateID, r.store.Snapshot().Nodes()[0].StateID)
	require.Equal(t, ctiStateID, r.store.Snapshot().Nodes()[0].CtiStateID)
	return r
}

// X2, X3, R7, R8, N1, C2: the samples of Cisco's reference, from a cluster that holds what they show.
func TestAnswers_OfTheReference(t *testing.T) {
	data, err := os.ReadFile("testdata/reference.txt")
	require.NoError(t, err)
	want := map[string]string{}
	for _, part := range strings.Split(string(data), "\n== ")[1:] {
		name, outline, _ := strings.Cut(part, "\n")
		want[name] = strings.TrimSuffix(outline, "\n") + "\n"
	}
	require.Len(t, want, 3)
	check := func(sample, answer string) {
		t.Helper()
		contractSchema(t).checkAnswer(t, answer)
		var got strings.Builder
		parseTree(t, answer).kids[0].kids[0].outline(&got, "")
		if diff := cmp.Diff(want[sample], got.String()); diff != "" {
			t.Errorf("%s (-reference +ours):\n%s", sample, diff)
		}
	}
	r := referenceRig(t, "cucm3", 1411513436, 1411513254, 84, 621)
	check("selectCmDevice by DirNumber", r.ask(device("selectCmDevice", "", []string{"6961"}, tag{"SelectBy", "DirNumber"})))
	check("selectCmDevice by DirNumber", r.ask(device("selectCmDeviceExt", "", []string{"SEPE8B7480316D6"}))) // the fourth sample says the same
	check("selectCtiItem of class Line", r.ask(cti("", []string{"cucmuser-192.168.168.169-4963"}, []string{"SEPF01FAF38ABC2"}, []string{"1002"})))

	r = referenceRig(t, "DS-UCM105", 1412580217, 1412580000, 61, 1)
	query := []string{"SEPE8B7480316D6"}
	state := stateOf(t, r.ask(device("selectCmDevice", "", query)))
	check("NoChange", r.ask(device("selectCmDevice", state, query)))
}

// optional is a nillable element as encoding/xml reads it.
type optional struct {
	Nil  string `xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr"`
	Text string `xml:",chardata"`
}

func (o optional) String() string {
	if o.Nil == "1" {
		return "nil"
	}
	return "=" + o.Text
}

type wireDevice struct {
	Name, DirNumber, DeviceClass, Model, Product, BoxProduct, Httpd, RegistrationAttempts, IsCtiControllable, LoginUserId optional
	Status, StatusReason, PerfMonObject, DChannel, Description                                                            optional
	H323Trunk                                                                                                             struct {
		Fields []optional `xml:",any"`
	}
	TimeStamp, Protocol, NumOfLines optional
	LinesStatus                     struct {
		Nil  string                                       `xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr"`
		Item []struct{ DirectoryNumber, Status optional } `xml:"item"`
	}
	ActiveLoadID, InactiveLoadID, DownloadStatus, DownloadFailureReason, DownloadServer optional
	IPAddress                                                                           struct {
		Item []struct{ IP, IPAddrType, Attribute optional } `xml:"item"`
	}
}

// carried is a text as XML can carry it: a replacement character for every rune and every byte that it cannot.
func carried(s string) string {
	var b strings.Builder
	for _, r := range s { // which gives U+FFFD for every byte of invalid UTF-8
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

func wantText(s string) string {
	if s == "" {
		return "nil"
	}
	return "=" + carried(s)
}

func wantUint(u cluster.Uint) string {
	if n, ok := u.Get(); ok {
		return fmt.Sprintf("=%d", n)
	}
	return "nil"
}

func wantWord[E interface {
	~uint8
	fmt.Stringer
}](e E) string {
	if e == 0 {
		return "nil"
	}
	return "=" + e.String()
}

// anyText draws text that XML must escape, cannot carry, or that is not even UTF-8.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Just(""),
		rapid.StringMatching(`[A-Za-z0-9 ._-]{1,12}`),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"&", "<", ">", `"`, "'", "]]>", "&amp;", "\r", "\n", "\r\n", "\t", "\x00", "\x1f", "\x7f",
			"\uFFFE", "\uFFFF", "\uFFFD", "é", "😀", "\xff", "\xc3", "\xed\xa0\x80", "x"}), 1, 8), func(s []string) string { return strings.Join(s, "") }),
		rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

func someUint() *rapid.Generator[cluster.Uint] {
	return rapid.OneOf(rapid.Just(cluster.Uint{}), rapid.Map(rapid.Uint32(), cluster.Some))
}

func addr4() *rapid.Generator[netip.Addr] {
	return rapid.OneOf(rapid.Just(netip.Addr{}), rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }))
}

func addr6() *rapid.Generator[netip.Addr] {
	return rapid.OneOf(rapid.Just(netip.Addr{}), rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }))
}

func anyDevice(t *rapid.T) (*cluster.Device, *cluster.Record) {
	text := anyText()
	d := &cluster.Device{
		Name:              cluster.DeviceName(text.Draw(t, "name")),
		Description:       text.Draw(t, "description"),
		Class:             rapid.SampledFrom([]cluster.Class{cluster.AnyClass, cluster.Phone, cluster.HuntList, cluster.UnknownClass}).Draw(t, "class"),
		Protocol:          cluster.Protocol(rapid.Uint8Range(0, 3).Draw(t, "protocol")),
		Httpd:             cluster.Httpd(rapid.Uint8Range(0, 3).Draw(t, "httpd")),
		Attribute:         cluster.Attribute(rapid.Uint8Range(0, 4).Draw(t, "attribute")),
		IsCtiControllable: rapid.Bool().Draw(t, "controllable"),
		Model:             rapid.Uint32().Draw(t, "model"),
		Product:           someUint().Draw(t, "product"),
		BoxProduct:        someUint().Draw(t, "box product"),
		PerfMonObject:     someUint().Draw(t, "perfmon"),
		DChannel:          someUint().Draw(t, "d channel"),
	}
	if rapid.Bool().Draw(t, "has lines") {
		d.Lines = []string{"1"}
	}
	if rapid.Bool().Draw(t, "is trunk") {
		d.H323 = &cluster.H323Trunk{}
		for _, f := range trunkFields(d.H323) {
			*f = text.Draw(t, "trunk")
		}
	}
	r := &cluster.Record{
		Status:          cluster.Status(rapid.Uint8Range(1, 5).Draw(t, "status")),
		Reason:          cluster.ReasonNumber(rapid.Uint16Range(0, 1<<15-1).Draw(t, "reason")),
		TimeStamp:       rapid.Int64Range(0, math.MaxUint32).Draw(t, "time"),
		Attempts:        someUint().Draw(t, "attempts"),
		LoginUser:       text.Draw(t, "login"),
		IPv4:            addr4().Draw(t, "ipv4"),
		IPv6:            addr6().Draw(t, "ipv6"),
		ActiveLoad:      text.Draw(t, "active"),
		InactiveLoad:    text.Draw(t, "inactive"),
		Download:        cluster.Download(rapid.Uint8Range(0, 4).Draw(t, "download")),
		DownloadFailure: text.Draw(t, "failure"),
		DownloadServer:  text.Draw(t, "server"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "lines") {
		r.Lines = append(r.Lines, cluster.Line{Number: text.Draw(t, "number"), Status: rapid.SampledFrom([]cluster.Status{cluster.Registered, cluster.UnRegistered, cluster.Rejected, cluster.UnknownStatus}).Draw(t, "line status")})
	}
	return d, r
}

func trunkFields(h *cluster.H323Trunk) []*string {
	return []*string{&h.ConfigName, &h.TechPrefix, &h.Zone, &h.RemoteCmServer1, &h.RemoteCmServer2, &h.RemoteCmServer3, &h.AltGkList, &h.ActiveGk, &h.CallSignalAddr, &h.RasAddr}
}

// X1, X2, X3, X5, R7: whatever a cluster holds, the answer is XML that validates and says just that.
func TestAppendDevices_X3_SaysWhatTheClusterHolds(t *testing.T) {
	s := contractSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		res := cluster.DeviceResult{Nodes: []cluster.NodeDevices{{NodeAnswer: cluster.NodeAnswer{Mark: cluster.Mark{Node: cluster.NodeName(anyText().Draw(t, "node"))}}}}}
		n := &res.Nodes[0]
		for range rapid.IntRange(1, 3).Draw(t, "devices") {
			d, r := anyDevice(t)
			n.Devices = append(n.Devices, cluster.NewDeviceRecord(*d, *r))
		}
		res.Found = len(n.Devices)
		out, state := encodeDevices(&res, form{reasons: cluster.FieldReasons})
		require.True(t, utf8.Valid(out))
		s.checkAnswer(t, string(out))
		require.Equal(t, carried(state), stateOf(t, string(out)))

		var answer struct {
			Nodes []struct {
				Name    optional
				Devices []wireDevice `xml:"CmDevices>item"`
			} `xml:"Body>selectCmDeviceResponse>selectCmDeviceReturn>SelectCmDeviceResult>CmNodes>item"`
		}
		require.NoError(t, xml.Unmarshal(out, &answer))
		require.Len(t, answer.Nodes, 1)
		require.Equal(t, "="+carried(string(n.Node)), answer.Nodes[0].Name.String())
		require.Len(t, answer.Nodes[0].Devices, len(n.Devices))
		for i, got := range answer.Nodes[0].Devices {
			checkDevice(t, &got, n.Devices[i].Device(), n.Devices[i].Record())
		}
	})
}

func checkDevice(t *rapid.T, got *wireDevice, d *cluster.Device, r *cluster.Record) {
	var numbers []string
	require.Len(t, got.LinesStatus.Item, len(r.Lines))
	for i, l := range r.Lines {
		numbers = append(numbers, carried(l.Number)+"-"+l.Status.String())
		assert.Equal(t, wantText(l.Number), got.LinesStatus.Item[i].DirectoryNumber.String())
		assert.Equal(t, wantWord(l.Status), got.LinesStatus.Item[i].Status.String())
	}
	dirNumber, lines := "nil", "nil"
	if len(numbers) > 0 {
		dirNumber = "=" + strings.Join(numbers, ",")
	} else {
		assert.Equal(t, "1", got.LinesStatus.Nil, "LinesStatus without lines")
	}
	if len(numbers) > 0 || d.Lines != nil {
		lines = fmt.Sprintf("=%d", len(numbers))
	}
	model, at := "nil", "nil"
	if d.Model != 0 {
		model = fmt.Sprintf("=%d", d.Model)
	}
	if r.TimeStamp != 0 {
		at = fmt.Sprintf("=%d", r.TimeStamp)
	}
	for _, c := range []struct{ name, want, got string }{
		{"Name", "=" + carried(string(d.Name)), got.Name.String()},
		{"DirNumber", dirNumber, got.DirNumber.String()},
		{"DeviceClass", wantWord(d.Class), got.DeviceClass.String()},
		{"Model", model, got.Model.String()},
		{"Product", wantUint(d.Product), got.Product.String()},
		{"BoxProduct", wantUint(d.BoxProduct), got.BoxProduct.String()},
		{"Httpd", wantWord(d.Httpd), got.Httpd.String()},
		{"RegistrationAttempts", wantUint(r.Attempts), got.RegistrationAttempts.String()},
		{"IsCtiControllable", fmt.Sprintf("=%t", d.IsCtiControllable), got.IsCtiControllable.String()},
		{"LoginUserId", wantText(r.LoginUser), got.LoginUserId.String()},
		{"Status", wantWord(r.Status), got.Status.String()},
		{"StatusReason", fmt.Sprintf("=%d", cluster.FieldReasons.Number(r.Status, r.Reason)), got.StatusReason.String()},
		{"PerfMonObject", wantUint(d.PerfMonObject), got.PerfMonObject.String()},
		{"DChannel", wantUint(d.DChannel), got.DChannel.String()},
		{"Description", wantText(d.Description), got.Description.String()},
		{"TimeStamp", at, got.TimeStamp.String()},
		{"Protocol", wantWord(d.Protocol), got.Protocol.String()},
		{"NumOfLines", lines, got.NumOfLines.String()},
		{"ActiveLoadID", wantText(r.ActiveLoad), got.ActiveLoadID.String()},
		{"InactiveLoadID", wantText(r.InactiveLoad), got.InactiveLoadID.String()},
		{"DownloadStatus", wantWord(r.Download), got.DownloadStatus.String()},
		{"DownloadFailureReason", wantText(r.DownloadFailure), got.DownloadFailureReason.String()},
		{"DownloadServer", wantText(r.DownloadServer), got.DownloadServer.String()},
	} {
		assert.Equal(t, c.want, c.got, c.name)
	}
	require.Len(t, got.H323Trunk.Fields, 10)
	trunk := d.H323
	if trunk == nil {
		trunk = &cluster.H323Trunk{}
	}
	for i, f := range trunkFields(trunk) {
		assert.Equal(t, wantText(*f), got.H323Trunk.Fields[i].String(), "field %d of H323Trunk", i)
	}
	var addresses []string
	if r.IPv4.IsValid() {
		addresses = append(addresses, r.IPv4.String()+" ipv4 "+wantWord(d.Attribute))
	}
	if r.IPv6.IsValid() {
		addresses = append(addresses, r.IPv6.StringExpanded()+" ipv6 "+wantWord(d.Attribute))
	}
	var printed []string
	for _, a := range got.IPAddress.Item {
		printed = append(printed, a.IP.Text+" "+a.IPAddrType.Text+" "+a.Attribute.String())
	}
	assert.Equal(t, addresses, printed)
}

// C1, C2, C3, X3: the same for CTI items.
func TestAppendCti_C2_SaysWhatTheClusterHolds(t *testing.T) {
	s := contractSchema(t)
	state := rapid.SampledFrom([]cluster.CtiStatus{cluster.Open, cluster.Closed, cluster.OpenFailed, cluster.UnknownCtiStatus})
	at := rapid.Int64Range(0, math.MaxUint32)
	wantTime := func(t int64) string {
		if t == 0 {
			return "nil"
		}
		return fmt.Sprintf("=%d", t)
	}
	rapid.Check(t, func(t *rapid.T) {
		app := &cluster.Application{
			Name: anyText().Draw(t, "app"), Instance: rapid.Uint32().Draw(t, "instance"), Address: addr4().Draw(t, "ipv4"), Address6: addr6().Draw(t, "ipv6"),
			User: anyText().Draw(t, "user"), Status: state.Draw(t, "status"), Reason: rapid.Uint32().Draw(t, "reason"), TimeStamp: at.Draw(t, "time"),
		}
		item := cluster.CtiItem{App: app}
		if rapid.Bool().Draw(t, "device") {
			item.Device = &cluster.CtiDevice{Name: cluster.DeviceName(anyText().Draw(t, "name")), ControlsMedia: rapid.Bool().Draw(t, "media"),
				Status: state.Draw(t, "device status"), Reason: rapid.Uint32().Draw(t, "device reason"), TimeStamp: at.Draw(t, "device time")}
			if rapid.Bool().Draw(t, "line") {
				item.Line = &cluster.CtiLine{Number: anyText().Draw(t, "number"), Status: state.Draw(t, "line status"), Reason: rapid.Uint32().Draw(t, "line reason"), TimeStamp: at.Draw(t, "line time")}
			}
		}
		res := cluster.CtiResult{Found: 1, Nodes: []cluster.NodeCti{{NodeAnswer: cluster.NodeAnswer{Mark: cluster.Mark{Node: "n", Found: 1, Returned: 1}}, Items: []cluster.CtiItem{item}}}}
		var mem scratch
		mem.appendCti(&res, form{})
		out := mem.out
		s.checkAnswer(t, string(out))
		root := parseTree(t, string(out))
		get := func(path string) string {
			e := root.all(ctiItemPath + path)
			require.Len(t, e, 1, path)
			if e[0].isNil() {
				return "nil"
			}
			return "=" + e[0].text
		}
		address := func(a netip.Addr) string {
			if !a.IsValid() {
				return "nil"
			}
			return "=" + a.StringExpanded()
		}
		want := map[string]string{
			"AppId": "=" + carried(app.ID()), "UserId": wantText(app.User), "AppIpAddr": address(app.Address), "AppIpv6Addr": address(app.Address6),
			"AppStatus": wantWord(app.Status), "AppStatusReason": fmt.Sprintf("=%d", app.Reason), "AppTimeStamp": wantTime(app.TimeStamp),
		}
		if d := item.Device; d == nil {
			want["CtiDevice"] = "nil"
		} else {
			want["CtiDevice/AppControlsMedia"] = fmt.Sprintf("=%t", d.ControlsMedia)
			want["CtiDevice/DeviceName"] = wantText(string(d.Name))
			want["CtiDevice/DeviceStatus"] = wantWord(d.Status)
			want["CtiDevice/DeviceStatusReason"] = fmt.Sprintf("=%d", d.Reason)
			want["CtiDevice/DeviceTimeStamp"] = wantTime(d.TimeStamp)
			if item.Line != nil {
				want["CtiDevice/DeviceStatusReason"], want["CtiDevice/DeviceTimeStamp"] = "nil", "nil"
			}
		}
		if l := item.Line; l == nil {
			want["CtiLine"] = "nil"
		} else {
			want["CtiLine/DirNumber"] = wantText(l.Number)
			want["CtiLine/LineStatus"] = wantWord(l.Status)
			want["CtiLine/LineStatusReason"] = fmt.Sprintf("=%d", l.Reason)
			want["CtiLine/LineTimeStamp"] = wantTime(l.TimeStamp)
		}
		for path, value := range want {
			assert.Equal(t, value, get(path), path)
		}
	})
}

func TestAppendText_X1_EscapesOnlyWhatItMust(t *testing.T) {
	for in, want := range map[string]string{
		`a & b < c > d "e" 'f'`: `a &amp; b &lt; c &gt; d "e" 'f'`,
		"tab\tline\nreturn\r":   "tab\tline\nreturn&#13;",
		"\x00\x01\x1f\x7f":      "\uFFFD\uFFFD\uFFFD\x7f",
		"\xff\xc3(":             "\uFFFD\uFFFD(",
		"\uFFFE\uFFFF\uFFFD":    "\uFFFD\uFFFD\uFFFD",
		"é😀":                    "é😀",
		"&amp;":                 "&amp;amp;",
		"":                      "",
	} {
		assert.Equal(t, want, string(appendText(nil, in)), "%q", in)
	}
	assert.Equal(t, `&quot;&#10;&#9;&amp;'`, string(appendAttr(nil, "\"\n\t&'")))
}

// X1: the answer's exact frame, and X3: the exact form of a nil element.
func TestAnswer_X1_Frame(t *testing.T) {
	answer := newRig(t).ask(device("selectCmDevice", "", []string{"SEP0C0000000009"}))
	assert.Equal(t, `<?xml version='1.0' encoding='utf-8'?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>`+
		`<ns1:selectCmDeviceResponse xmlns:ns1="http://schemas.cisco.com/ast/soap"><ns1:selectCmDeviceReturn><ns1:SelectCmDeviceResult>`+
		`<ns1:TotalDevicesFound>0</ns1:TotalDevicesFound><ns1:CmNodes xsi:nil="1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>`+
		`</ns1:SelectCmDeviceResult><ns1:StateInfo></ns1:StateInfo></ns1:selectCmDeviceReturn></ns1:selectCmDeviceResponse></soapenv:Body></soapenv:Envelope>`, answer)

	all := newRig(t).ask(device("selectCmDevice", "", everything))
	assert.NotContains(t, all, "\n", "X1: one line")
	assert.Contains(t, all, `<ns1:LoginUserId xsi:nil="1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>`)
	assert.Contains(t, all, `<ns1:CmDevices xsi:nil="1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>`)
	assert.Contains(t, all, `<ns1:IPAddress/>`)
	assert.Contains(t, all, `<ns1:Description>Tom &amp; "Jerry" &lt;lab&gt;</ns1:Description>`)
	assert.Equal(t, 7, strings.Count(all, "<ns1:H323Trunk>"), "X3: H323Trunk is present in every device")
	assert.NotContains(t, all, "<ns1:H323Trunk"+nilTail)
}

// X1: a client's parser gives up after 1,000 entities in a document, so a large answer stays far below.
func TestAnswer_X1_FewEntities(t *testing.T) {
	res := wideResult(1000)
	out, _ := encodeDevices(&res, form{clusterWide: true})
	assert.Less(t, strings.Count(string(out), "&"), 50)
}

func encodeDevices(res *cluster.DeviceResult, f form) (out []byte, state string) {
	var mem scratch
	mem.appendDevices(res, f)
	return mem.out, string(mem.state)
}

// wideResult is an answer with n phones on one node.
func wideResult(n int) cluster.DeviceResult {
	res := cluster.DeviceResult{Found: n, Nodes: []cluster.NodeDevices{{NodeAnswer: cluster.NodeAnswer{
		Mark: cluster.Mark{Node: "cucm-sub1", Started: 1772348400, StateID: 84, Found: n, Returned: n}}}}}
	for i := range n {
		dn := fmt.Sprint(400000 + i)
		res.Nodes[0].Devices = append(res.Nodes[0].Devices, cluster.NewDeviceRecord(
			cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP0C%010d", i)), Description: "Reception desk, second floor", Class: cluster.Phone, Protocol: cluster.SIP,
				Httpd: cluster.HttpdYes, Attribute: cluster.AttributeUnknown, IsCtiControllable: true, Model: 36224, Product: cluster.Some(1),
				BoxProduct: cluster.Some(0), PerfMonObject: cluster.Some(2), DChannel: cluster.Some(0), Lines: []string{dn}},
			cluster.Record{Status: cluster.Registered, TimeStamp: 1772433400, Attempts: cluster.Some(0), Lines: []cluster.Line{{Number: dn, Status: cluster.Registered}},
				IPv4: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), ActiveLoad: "sip8845_65.14-2-1-0001-60", InactiveLoad: "sip8845_65.14-1-1-0001-60", Download: cluster.UnknownDownload},
		))
	}
	return res
}

func TestAppendDevices_AllocatesNothingPerDevice(t *testing.T) {
	var mem scratch
	cost := func(devices int) float64 {
		res := wideResult(devices)
		return testing.AllocsPerRun(20, func() { mem.appendDevices(&res, form{clusterWide: true}) })
	}
	assert.Equal(t, cost(1), cost(1000), "allocations of 1 and of 1,000 devices")
}

// BenchmarkAppendDevices writes a thousand phones, by stencils and each element by element.
func BenchmarkAppendDevices(b *testing.B) {
	res := storedResult(b, 1000)
	var mem scratch
	b.Run("stencils", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mem.appendDevices(&res, form{clusterWide: true})
		}
		b.SetBytes(int64(len(mem.out)))
	})
	b.Run("elements", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mem.out = mem.out[:0]
			for _, d := range res.Nodes[0].Devices {
				d.Read(&mem.view)
				mem.out = appendDevice(mem.out, &mem.view.Device, &mem.view.Record, cluster.DocumentedReasons, new(seams))
			}
		}
		b.SetBytes(int64(len(mem.out)))
	})
}

// storedResult is wideResult as a store answers it.
func storedResult(tb testing.TB, n int) cluster.DeviceResult {
	tb.Helper()
	c := cluster.Config{Nodes: []cluster.Node{{Name: "cucm-pub"}}}
	for _, d := range wideResult(n).Nodes[0].Devices {
		c.Devices = append(c.Devices, *d.Device())
		c.Registrations = append(c.Registrations, cluster.Registration{Device: d.Name(), Node: "cucm-pub", Record: *d.Record()})
	}
	store, err := cluster.New(start, c)
	require.NoError(tb, err)
	return store.Snapshot().Select(cluster.DeviceQuery{})
}
