package soap

import (
	"math"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"github.com/risim/risim/sim/cluster"
)

// The encoder appends an answer to a buffer and cannot fail. It knows the contract's elements by heart: constant text
// between two values is one segment, so a device costs no allocation (section X of the rules).
//
//   - The prefixes are soapenv and ns1, for clients look them up as text (rule X1).
//   - An absent text or number is nil, with its own declaration of xsi (rule X3).
//   - Text escapes only what it must: & < > and, since a parser would make it a line feed, the carriage return.
//   - What XML cannot carry becomes U+FFFD, the replacement character: runes outside of XML's and invalid UTF-8.

const (
	nilTail   = ` xsi:nil="1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>`
	contractX = ` xmlns:ns1="http://schemas.cisco.com/ast/soap">`
)

// form is what an answer's bytes depend on besides the result.
type form struct {
	soap12      bool
	clusterWide bool // StateInfo says ClusterWide="1" (rule N1)
	nested      bool // StateInfo stands as an element, not as a string (rule X4)
	listEmpty   bool // NotFound nodes are listed even if nothing matched anywhere (rule R4)
	notFound    bool // what a NotFound node of a full answer says in NoChange (rule R3)
	reasons     cluster.ReasonTable
}

func newForm(set *Settings, soap12 bool, node string) form {
	f := form{
		soap12:      soap12,
		clusterWide: set.clusterWide == "always" || set.clusterWide == "node-empty" && node == "",
		nested:      set.stateInfoForm == "nested",
		listEmpty:   set.emptyAnswer == "nodes",
		notFound:    set.notFoundNoChange,
	}
	if set.reasonTable == "field" {
		f.reasons = cluster.FieldReasons
	}
	return f
}

// appendDevices makes mem.out the answer to selectCmDevice, and to selectCmDeviceExt, which has no response element of its
// own (rule X2), and mem.state the StateInfo in it.
func (mem *scratch) appendDevices(res *cluster.DeviceResult, f form) {
	b := append(mem.out[:0], envelope(f.soap12)...)
	b = append(b, `<ns1:selectCmDeviceResponse`+contractX+`<ns1:selectCmDeviceReturn><ns1:SelectCmDeviceResult><ns1:TotalDevicesFound>`...)
	b = strconv.AppendInt(b, int64(res.Found), 10)
	b = append(b, `</ns1:TotalDevicesFound><ns1:CmNodes`...)
	mem.marks = mem.marks[:0]
	if isEmpty(res.Nodes, f, func(n *cluster.NodeDevices) *cluster.NodeAnswer { return &n.NodeAnswer }) {
		b = append(b, nilTail...)
	} else {
		b = append(b, '>')
		for i := range res.Nodes {
			n := &res.Nodes[i]
			mem.mark(&n.NodeAnswer)
			b = appendNode(b, &n.NodeAnswer, f)
			if len(n.Devices) == 0 {
				b = append(b, `<ns1:CmDevices`+nilTail+`</ns1:item>`...)
				continue
			}
			b = append(b, `<ns1:CmDevices>`...)
			for _, d := range n.Devices {
				b = mem.appendItem(b, d, f.reasons)
			}
			b = append(b, `</ns1:CmDevices></ns1:item>`...)
		}
		b = append(b, `</ns1:CmNodes>`...)
	}
	b = append(b, `</ns1:SelectCmDeviceResult>`...)
	b = mem.appendAnswerState(b, f)
	mem.out = append(b, `</ns1:selectCmDeviceReturn></ns1:selectCmDeviceResponse>`+envelopeEnd...)
}

// appendCti makes mem.out the answer to selectCtiItem, and mem.state the StateInfo in it.
func (mem *scratch) appendCti(res *cluster.CtiResult, f form) {
	b := append(mem.out[:0], envelope(f.soap12)...)
	b = append(b, `<ns1:selectCtiItemResponse`+contractX+`<ns1:selectCtiItemReturn><ns1:SelectCtiItemResult><ns1:TotalItemsFound>`...)
	b = strconv.AppendInt(b, int64(res.Found), 10)
	b = append(b, `</ns1:TotalItemsFound><ns1:CtiNodes`...)
	mem.marks = mem.marks[:0]
	if isEmpty(res.Nodes, f, func(n *cluster.NodeCti) *cluster.NodeAnswer { return &n.NodeAnswer }) {
		b = append(b, nilTail...)
	} else {
		b = append(b, '>')
		for i := range res.Nodes {
			n := &res.Nodes[i]
			mem.mark(&n.NodeAnswer)
			b = appendNode(b, &n.NodeAnswer, f)
			if len(n.Items) == 0 {
				b = append(b, `<ns1:CtiItems`+nilTail+`</ns1:item>`...)
				continue
			}
			b = append(b, `<ns1:CtiItems>`...)
			for k := range n.Items {
				b = appendCtiItem(b, &n.Items[k])
			}
			b = append(b, `</ns1:CtiItems></ns1:item>`...)
		}
		b = append(b, `</ns1:CtiNodes>`...)
	}
	b = append(b, `</ns1:SelectCtiItemResult>`...)
	b = mem.appendAnswerState(b, f)
	mem.out = append(b, `</ns1:selectCtiItemReturn></ns1:selectCtiItemResponse>`+envelopeEnd...)
}

// isEmpty says that nothing matched on any node, and that the answer shall hold nothing then: nil nodes and an empty
// StateInfo (rule R4). A node that does not answer, or that does not exist, is always shown.
func isEmpty[N any](nodes []N, f form, answer func(*N) *cluster.NodeAnswer) bool {
	if f.listEmpty {
		return false
	}
	for i := range nodes {
		if answer(&nodes[i]).Code != cluster.NotFound {
			return false
		}
	}
	return true
}

// mark notes what StateInfo says of a node, for those that answered (rule N1).
func (mem *scratch) mark(a *cluster.NodeAnswer) {
	if a.Code == cluster.Ok || a.Code == cluster.NotFound {
		mem.marks = append(mem.marks, a.Mark)
	}
}

func appendNode(b []byte, a *cluster.NodeAnswer, f form) []byte {
	b = append(b, `<ns1:item><ns1:ReturnCode>`...)
	b = append(b, a.Code.String()...)
	b = append(b, `</ns1:ReturnCode><ns1:Name>`...)
	b = appendText(b, string(a.Node))
	b = append(b, `</ns1:Name><ns1:NoChange>`...)
	b = strconv.AppendBool(b, a.NoChange || f.notFound && a.Code == cluster.NotFound)
	return append(b, `</ns1:NoChange>`...)
}

func (mem *scratch) appendAnswerState(b []byte, f form) []byte {
	mem.state = appendStateInfo(mem.state[:0], mem.marks, f.clusterWide, false)
	b = append(b, `<ns1:StateInfo>`...)
	b = appendStateInfo(b, mem.marks, f.clusterWide, !f.nested)
	return append(b, `</ns1:StateInfo>`...)
}

// noTrunk is the H323Trunk of everything but H.323 trunks: present, with ten nil children (rule X3).
const noTrunk = `<ns1:H323Trunk><ns1:ConfigName` + nilTail + `<ns1:TechPrefix` + nilTail + `<ns1:Zone` + nilTail +
	`<ns1:RemoteCmServer1` + nilTail + `<ns1:RemoteCmServer2` + nilTail + `<ns1:RemoteCmServer3` + nilTail +
	`<ns1:AltGkList` + nilTail + `<ns1:ActiveGk` + nilTail + `<ns1:CallSignalAddr` + nilTail + `<ns1:RasAddr` + nilTail +
	`</ns1:H323Trunk>`

// seams are the places in an answer where what a device has for itself begins and ends, behind its name.
type seams struct{ number, description, stamp, lines, address seam }

type seam struct{ begin, end int }

// appendDevice appends an item of CmDevices: 26 children in the contract's order.
func appendDevice(b []byte, d *cluster.Device, r *cluster.Record, reasons cluster.ReasonTable, at *seams) []byte {
	b = append(b, `<ns1:item><ns1:Name>`...)
	b = appendText(b, string(d.Name))
	b = append(b, `</ns1:Name>`...)
	at.number.begin = len(b) + len(`<ns1:DirNumber>`)
	b = appendDirNumber(b, r.Lines)
	at.number.end = len(b) - len(`</ns1:DirNumber>`)
	b = appendWord(b, `<ns1:DeviceClass`, word(d.Class), `</ns1:DeviceClass>`)
	b = appendUint(b, `<ns1:Model`, d.Model, d.Model != 0, `</ns1:Model>`)
	b = appendSome(b, `<ns1:Product`, d.Product, `</ns1:Product>`)
	b = appendSome(b, `<ns1:BoxProduct`, d.BoxProduct, `</ns1:BoxProduct>`)
	b = appendWord(b, `<ns1:Httpd`, word(d.Httpd), `</ns1:Httpd>`)
	b = appendSome(b, `<ns1:RegistrationAttempts`, r.Attempts, `</ns1:RegistrationAttempts>`)
	if d.IsCtiControllable {
		b = append(b, `<ns1:IsCtiControllable>true</ns1:IsCtiControllable>`...)
	} else {
		b = append(b, `<ns1:IsCtiControllable>false</ns1:IsCtiControllable>`...)
	}
	b = appendOptional(b, `<ns1:LoginUserId`, r.LoginUser, `</ns1:LoginUserId>`)
	b = appendWord(b, `<ns1:Status`, word(r.Status), `</ns1:Status>`)
	b = append(b, `<ns1:StatusReason>`...)
	b = strconv.AppendUint(b, uint64(reasons.Number(r.Status, r.Reason)), 10)
	b = append(b, `</ns1:StatusReason>`...)
	b = appendSome(b, `<ns1:PerfMonObject`, d.PerfMonObject, `</ns1:PerfMonObject>`)
	b = appendSome(b, `<ns1:DChannel`, d.DChannel, `</ns1:DChannel>`)
	at.description.begin = len(b) + len(`<ns1:Description>`)
	b = appendOptional(b, `<ns1:Description`, d.Description, `</ns1:Description>`)
	at.description.end = len(b) - len(`</ns1:Description>`)
	b = appendTrunk(b, d.H323)
	at.stamp.begin = len(b) + len(`<ns1:TimeStamp>`)
	b = appendTime(b, `<ns1:TimeStamp`, r.TimeStamp, `</ns1:TimeStamp>`)
	at.stamp.end = len(b) - len(`</ns1:TimeStamp>`)
	b = appendWord(b, `<ns1:Protocol`, word(d.Protocol), `</ns1:Protocol>`)
	b = appendUint(b, `<ns1:NumOfLines`, uint32(len(r.Lines)), len(r.Lines) > 0 || d.Lines != nil, `</ns1:NumOfLines>`)
	at.lines.begin = len(b) + len(`<ns1:LinesStatus>`)
	b = appendLines(b, r.Lines)
	at.lines.end = len(b) - len(`</ns1:LinesStatus>`)
	b = appendOptional(b, `<ns1:ActiveLoadID`, r.ActiveLoad, `</ns1:ActiveLoadID>`)
	b = appendOptional(b, `<ns1:InactiveLoadID`, r.InactiveLoad, `</ns1:InactiveLoadID>`)
	b = appendWord(b, `<ns1:DownloadStatus`, word(r.Download), `</ns1:DownloadStatus>`)
	b = appendOptional(b, `<ns1:DownloadFailureReason`, r.DownloadFailure, `</ns1:DownloadFailureReason>`)
	b = appendOptional(b, `<ns1:DownloadServer`, r.DownloadServer, `</ns1:DownloadServer>`)
	if !r.IPv4.IsValid() && !r.IPv6.IsValid() {
		return append(b, `<ns1:IPAddress/></ns1:item>`...)
	}
	b = append(b, `<ns1:IPAddress>`...)
	at.address.begin = len(b) + len(`<ns1:item><ns1:IP>`)
	at.address.end = at.address.begin + addressLen(r.IPv4)
	b = appendAddress(b, r.IPv4, `</ns1:IP><ns1:IPAddrType>ipv4</ns1:IPAddrType>`, d.Attribute)
	b = appendAddress(b, r.IPv6, `</ns1:IP><ns1:IPAddrType>ipv6</ns1:IPAddrType>`, d.Attribute)
	return append(b, `</ns1:IPAddress></ns1:item>`...)
}

// appendDirNumber appends number-Status of each line, with commas between them (rule R7).
func appendDirNumber(b []byte, lines []cluster.Line) []byte {
	if len(lines) == 0 {
		return append(b, `<ns1:DirNumber`+nilTail...)
	}
	b = appendNumbers(append(b, `<ns1:DirNumber>`...), lines)
	return append(b, `</ns1:DirNumber>`...)
}

func appendNumbers(b []byte, lines []cluster.Line) []byte {
	for i := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, lines[i].Number)
		b = append(b, '-')
		b = append(b, lines[i].Status.String()...)
	}
	return b
}

func appendLines(b []byte, lines []cluster.Line) []byte {
	if len(lines) == 0 {
		return append(b, `<ns1:LinesStatus`+nilTail...)
	}
	b = appendLineItems(append(b, `<ns1:LinesStatus>`...), lines)
	return append(b, `</ns1:LinesStatus>`...)
}

func appendLineItems(b []byte, lines []cluster.Line) []byte {
	for i := range lines {
		l := &lines[i]
		if l.Number != "" && l.Status != 0 { // as always
			b = append(b, `<ns1:item><ns1:DirectoryNumber>`...)
			b = appendText(b, l.Number)
			b = append(b, `</ns1:DirectoryNumber><ns1:Status>`...)
			b = append(b, l.Status.String()...)
			b = append(b, `</ns1:Status></ns1:item>`...)
			continue
		}
		b = append(b, `<ns1:item>`...)
		b = appendOptional(b, `<ns1:DirectoryNumber`, l.Number, `</ns1:DirectoryNumber>`)
		b = appendWord(b, `<ns1:Status`, word(l.Status), `</ns1:Status>`)
		b = append(b, `</ns1:item>`...)
	}
	return b
}

func appendTrunk(b []byte, t *cluster.H323Trunk) []byte {
	if t == nil {
		return append(b, noTrunk...)
	}
	b = append(b, `<ns1:H323Trunk>`...)
	b = appendOptional(b, `<ns1:ConfigName`, t.ConfigName, `</ns1:ConfigName>`)
	b = appendOptional(b, `<ns1:TechPrefix`, t.TechPrefix, `</ns1:TechPrefix>`)
	b = appendOptional(b, `<ns1:Zone`, t.Zone, `</ns1:Zone>`)
	b = appendOptional(b, `<ns1:RemoteCmServer1`, t.RemoteCmServer1, `</ns1:RemoteCmServer1>`)
	b = appendOptional(b, `<ns1:RemoteCmServer2`, t.RemoteCmServer2, `</ns1:RemoteCmServer2>`)
	b = appendOptional(b, `<ns1:RemoteCmServer3`, t.RemoteCmServer3, `</ns1:RemoteCmServer3>`)
	b = appendOptional(b, `<ns1:AltGkList`, t.AltGkList, `</ns1:AltGkList>`)
	b = appendOptional(b, `<ns1:ActiveGk`, t.ActiveGk, `</ns1:ActiveGk>`)
	b = appendOptional(b, `<ns1:CallSignalAddr`, t.CallSignalAddr, `</ns1:CallSignalAddr>`)
	b = appendOptional(b, `<ns1:RasAddr`, t.RasAddr, `</ns1:RasAddr>`)
	return append(b, `</ns1:H323Trunk>`...)
}

func appendAddress(b []byte, a netip.Addr, kind string, attribute cluster.Attribute) []byte {
	if !a.IsValid() {
		return b
	}
	b = append(b, `<ns1:item><ns1:IP>`...)
	b = cluster.AppendAddr(b, a)
	b = append(b, kind...)
	b = appendWord(b, `<ns1:Attribute`, word(attribute), `</ns1:Attribute>`)
	return append(b, `</ns1:item>`...)
}

// appendCtiItem appends an item of CtiItems. What the query's class does not list is nil; beside a line, the device
// has neither reason nor time (rule C2).
func appendCtiItem(b []byte, it *cluster.CtiItem) []byte {
	a := it.App
	b = append(b, `<ns1:item><ns1:AppId>`...)
	b = appendText(b, a.ID())
	b = append(b, `</ns1:AppId>`...)
	b = appendOptional(b, `<ns1:UserId`, a.User, `</ns1:UserId>`)
	b = appendAppAddr(b, `<ns1:AppIpAddr`, a.Address, `</ns1:AppIpAddr>`)
	b = appendAppAddr(b, `<ns1:AppIpv6Addr`, a.Address6, `</ns1:AppIpv6Addr>`)
	b = appendWord(b, `<ns1:AppStatus`, word(a.Status), `</ns1:AppStatus>`)
	b = appendUint(b, `<ns1:AppStatusReason`, a.Reason, true, `</ns1:AppStatusReason>`)
	b = appendTime(b, `<ns1:AppTimeStamp`, a.TimeStamp, `</ns1:AppTimeStamp>`)
	if d := it.Device; d == nil {
		b = append(b, `<ns1:CtiDevice`+nilTail...)
	} else {
		b = append(b, `<ns1:CtiDevice><ns1:AppControlsMedia>`...)
		b = strconv.AppendBool(b, d.ControlsMedia)
		b = append(b, `</ns1:AppControlsMedia>`...)
		b = appendOptional(b, `<ns1:DeviceName`, string(d.Name), `</ns1:DeviceName>`)
		b = appendWord(b, `<ns1:DeviceStatus`, word(d.Status), `</ns1:DeviceStatus>`)
		if it.Line != nil {
			b = append(b, `<ns1:DeviceStatusReason`+nilTail+`<ns1:DeviceTimeStamp`+nilTail...)
		} else {
			b = appendUint(b, `<ns1:DeviceStatusReason`, d.Reason, true, `</ns1:DeviceStatusReason>`)
			b = appendTime(b, `<ns1:DeviceTimeStamp`, d.TimeStamp, `</ns1:DeviceTimeStamp>`)
		}
		b = append(b, `</ns1:CtiDevice>`...)
	}
	l := it.Line
	if l == nil {
		return append(b, `<ns1:CtiLine`+nilTail+`</ns1:item>`...)
	}
	b = append(b, `<ns1:CtiLine>`...)
	b = appendOptional(b, `<ns1:DirNumber`, l.Number, `</ns1:DirNumber>`)
	b = appendWord(b, `<ns1:LineStatus`, word(l.Status), `</ns1:LineStatus>`)
	b = appendUint(b, `<ns1:LineStatusReason`, l.Reason, true, `</ns1:LineStatusReason>`)
	b = appendTime(b, `<ns1:LineTimeStamp`, l.TimeStamp, `</ns1:LineTimeStamp>`)
	return append(b, `</ns1:CtiLine></ns1:item>`...)
}

func appendAppAddr(b []byte, open string, a netip.Addr, end string) []byte {
	b = append(b, open...)
	if !a.IsValid() {
		return append(b, nilTail...)
	}
	b = append(b, '>')
	b = cluster.AppendAddr(b, a)
	return append(b, end...)
}

// word is the contract's spelling of an enumeration's value; empty for the zero value, which in a record means
// absent.
func word[E interface {
	~uint8
	String() string
}](e E) string {
	if e == 0 {
		return ""
	}
	return e.String()
}

// appendWord is appendOptional for text that needs no escaping.
func appendWord(b []byte, open, text, end string) []byte {
	b = append(b, open...)
	if text == "" {
		return append(b, nilTail...)
	}
	b = append(b, '>')
	b = append(b, text...)
	return append(b, end...)
}

// appendOptional appends an element with a text, nil when that is empty. open is the start tag without its end.
func appendOptional(b []byte, open, text, end string) []byte {
	b = append(b, open...)
	if text == "" {
		return append(b, nilTail...)
	}
	b = appendText(append(b, '>'), text)
	return append(b, end...)
}

func appendUint(b []byte, open string, n uint32, present bool, end string) []byte {
	b = append(b, open...)
	if !present {
		return append(b, nilTail...)
	}
	b = strconv.AppendUint(append(b, '>'), uint64(n), 10)
	return append(b, end...)
}

func appendSome(b []byte, open string, u cluster.Uint, end string) []byte {
	n, ok := u.Get()
	return appendUint(b, open, n, ok, end)
}

// appendTime appends epoch seconds; nil when there are none. The contract's number has 32 bits without sign.
func appendTime(b []byte, open string, t int64, end string) []byte {
	return appendUint(b, open, uint32(min(max(t, 0), math.MaxUint32)), t > 0, end)
}

// appendText appends character data.
func appendText[T []byte | string](b []byte, s T) []byte { return appendEscaped(b, s, false) }

// appendAttr appends the value of an attribute in double quotes.
func appendAttr(b []byte, s string) []byte { return appendEscaped(b, s, true) }

func appendEscaped[T []byte | string](b []byte, s T, attr bool) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf && plain[c] {
			i++
			continue
		}
		width, with := 1, ""
		switch {
		case c == '&':
			with = "&amp;"
		case c == '<':
			with = "&lt;"
		case c == '>':
			with = "&gt;"
		case c == '\r':
			with = "&#13;"
		case c == '"' && attr:
			with = "&quot;"
		case c == '\n' && attr:
			with = "&#10;"
		case c == '\t' && attr:
			with = "&#9;"
		case c == '"' || c == '\n' || c == '\t':
			i++
			continue
		case c < ' ':
			with = "\uFFFD"
		default:
			var r rune
			if r, width = utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])); r != 0xFFFE && r != 0xFFFF && (r != utf8.RuneError || width > 1) {
				i += width
				continue
			}
			with = "\uFFFD"
		}
		b = append(b, s[from:i]...)
		b = append(b, with...)
		i += width
		from = i
	}
	return append(b, s[from:]...)
}

// plain marks the ASCII characters that stand for themselves everywhere.
var plain = func() (t [utf8.RuneSelf]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '&' && c != '<' && c != '>' && c != '"'
	}
	return t
}()
