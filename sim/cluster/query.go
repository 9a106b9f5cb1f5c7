package cluster

import (
	"net/netip"
	"strings"
	"unsafe"
)

// DeviceQuery is a selectCmDevice or selectCmDeviceExt question. The zero value asks for every record.
// All filters must hold together (rule Q10).
type DeviceQuery struct {
	Limit    int  // records returned at the most over all nodes; 0 means no limit
	CountAll bool // count what matches beyond the limit too (knob revealTruncation)

	Nothing  bool // a filter that can match nothing was given: an unknown class or status (rule Q4)
	Class    Class
	Model    uint32 // 0 and AnyModel mean any (rule Q5)
	Status   Status
	Protocol Protocol
	Download Download
	Node     string // name or address of the only node asked, ignoring case; empty for all (rule Q8)

	By      SelectBy
	Items   []string // alternatives; none, or an empty one, means all (rule Q9)
	Literal bool     // '*' is an ordinary character (rule W5)

	Newest bool // of each device only the record of its latest registration, chosen before filtering (rule R2)

	Since   []Mark // what an earlier answer to this query said of the nodes; nil for none (rules N3-N6)
	PerNode bool   // unchanged nodes answer NoChange although others changed (rule N5, knob noChange)
}

// AnyModel is the model number by which clients ask for all models.
const AnyModel = 255

// Mark is what a StateInfo says of one node (rule N1).
type Mark struct {
	Node            NodeName
	Started         int64  // SubsystemStartTime, epoch seconds
	StateID         uint64 // of the node's subsystem at the time of the answer
	Found, Returned int
}

// Verdict says what became of the marks of a query.
type Verdict uint8

// The verdicts. Only Unchanged gives the short answer.
const (
	NoMarks    Verdict = iota // none were given
	Unchanged                 // every node asked is unchanged (rule N4)
	Changed                   // something that matched has changed, or a node came, went or restarted (rule N5)
	Foreign                   // the marks name nodes that were not asked (rule N6)
	RolledOver                // older than the kept history, or from the future: counts as none (rule N6)
)

// DeviceResult is the answer to a DeviceQuery. It shares the snapshot's immutable records.
type DeviceResult struct {
	Nodes []NodeDevices // every node asked, publisher first, then in configured order (rule R3)
	Found int           // matches: what is returned, or all of them with CountAll
	Since Verdict
	// CaseOnly is an item that matched only because case is ignored, empty when there is none (rule W6).
	CaseOnly string
}

// NodeAnswer is what is common to what a node answers about devices and about CTI items.
type NodeAnswer struct {
	Mark                // Node is the name as configured, or as sent when it is unknown
	Code     ReturnCode // Ok, NotFound, NodeNotResponding, InternalError or InvalidNodeName
	NoChange bool
}

// NodeDevices is what one node answers to a DeviceQuery.
type NodeDevices struct {
	NodeAnswer
	Devices []DeviceRecord // in name order
}

// DeviceRecord is a device and one node's record of it, as an answer refers to them: small, cheap to copy, and to be
// read through a View. In a DeviceResult it stays good as long as anybody keeps it.
type DeviceRecord struct {
	block  *block
	record uint16 // in block.recs
	device uint8  // in block
}

// NewDeviceRecord is a DeviceRecord of a device and a record that are in no snapshot, for answers that are made by hand.
// Nothing of them is checked.
func NewDeviceRecord(d Device, r Record) DeviceRecord {
	d.key = fold(string(d.Name))
	k := &kit{commons: new(commons)}
	var w sheetWriter
	w.device(&d, k)
	at := device{w.sheet(), 0}
	lines, _ := at.numbers()
	p := pack(&r, 0, lines.state(r.Lines))
	p.cond = k.cond(&r)
	return DeviceRecord{block: newBlock([]entry{{at, []kept{p}}}, false)}
}

// View is room into which DeviceRecords are read one after the other, without allocating for each. The zero value is
// ready. A View is for one goroutine.
type View struct {
	Device Device
	Record Record

	numbers []string // room for Device.Lines and Record.Lines
	lines   []Line
}

// Read sets v to what r refers to. The texts in v stay good for ever; the slices are written over by the next Read, and
// must not be changed.
func (r DeviceRecord) Read(v *View) {
	b := r.block
	d, k := b.device(int(r.device)), b.kept(&b.recs[r.record])
	d.sheet.unpack(d.item, &v.Device, v.numbers[:0])
	k.unpack(d, &v.Record, v.lines[:0])
	if cap(v.Device.Lines) > cap(v.numbers) {
		v.numbers = v.Device.Lines
	}
	if cap(v.Record.Lines) > cap(v.lines) {
		v.lines = v.Record.Lines
	}
}

// Kind stands for what many records have in common. Records of equal kinds have the same of everything but what Own holds,
// StateID, and the homes and group of their devices. Kinds that are not equal may stand for the same all the same.
type Kind struct {
	make *Device
	cond *cond
}

// Kind gives the record's.
func (r DeviceRecord) Kind() Kind {
	d := r.block.device(int(r.device))
	return Kind{d.sheet.make(d.item), r.block.conds[r.block.recs[r.record].cond]}
}

// Hash is a number that is the same for equal kinds, and mostly different for others.
func (k Kind) Hash() uint32 {
	const a, b = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9                                                // odd, so that the upper bits depend on all
	makeAt, condAt := uint64(uintptr(unsafe.Pointer(k.make))), uint64(uintptr(unsafe.Pointer(k.cond))) // where they stay
	return uint32((makeAt*a + condAt*b) >> 32)
}

// Own is what a record and its device have for themselves. The zero value is room to read into.
type Own struct {
	Name        DeviceName
	Description string
	TimeStamp   int64
	Attempts    Uint
	LoginUser   string
	Lines       []Line // of the record
	IPv4, IPv6  netip.Addr

	lines []Line // room
}

// ReadOwn is Read of what Own holds, which is little.
func (r DeviceRecord) ReadOwn(o *Own) {
	b := r.block
	d, k := b.device(int(r.device)), b.kept(&b.recs[r.record])
	list, _ := d.numbers()
	*o = Own{
		Name: d.sheet.name(d.item), Description: d.sheet.description(d.item),
		TimeStamp: k.stamp, IPv4: k.v4(), IPv6: k.v6(), lines: o.lines[:0],
	}
	if k.has&hasAttempts != 0 {
		o.Attempts = Some(k.attempts)
	}
	if k.odd != nil {
		o.LoginUser, o.Lines = k.odd.login, k.odd.lines
		if k.odd.ipv4.IsValid() {
			o.IPv4 = k.odd.ipv4
		}
	}
	if state := k.has / lineBits; state != noLines && state != oddLines {
		for list.n > 0 {
			var number string
			number, list = list.next()
			o.lines = append(o.lines, Line{number, Status(state)})
		}
		o.Lines = o.lines
	}
}

// Name is the device's name.
func (r DeviceRecord) Name() DeviceName {
	d := r.block.device(int(r.device))
	return d.sheet.name(d.item)
}

// Device is a copy of the device that r refers to, for those who need not be fast.
func (r DeviceRecord) Device() *Device {
	var v View
	r.Read(&v)
	return &v.Device
}

// Record is a copy of the record that r refers to, for those who need not be fast.
func (r DeviceRecord) Record() *Record {
	var v View
	r.Read(&v)
	return &v.Record
}

// compare compares the devices of two records by their folded names.
func (r DeviceRecord) compare(o DeviceRecord) int {
	if r.block == o.block {
		return int(r.device) - int(o.device)
	}
	return strings.Compare(r.block.key(int(r.device)), o.block.key(int(o.device)))
}

// Twice names a device that the answer has under several nodes, empty when there is none (rule R1).
func (r *DeviceResult) Twice() DeviceName {
	for i := range r.Nodes {
		for j := range i {
			// Both lists are in name order, so one pass through the two finds what they have in common.
			a, b := r.Nodes[j].Devices, r.Nodes[i].Devices
			for len(a) > 0 && len(b) > 0 {
				switch order := a[0].compare(b[0]); {
				case order == 0:
					return b[0].Name()
				case order < 0:
					a = a[1:]
				default:
					b = b[1:]
				}
			}
		}
	}
	return ""
}

// CtiQuery is a selectCtiItem question. The zero value asks for every application connection.
type CtiQuery struct {
	Limit    int  // items returned at the most over all nodes; 0 means no limit
	CountAll bool // count what matches beyond the limit too

	Class   CtiClass
	Nothing bool      // a filter that can match nothing was given
	Status  CtiStatus // of what Class lists: the connection, the device or the line (simulator's choice)
	Node    string    // as in DeviceQuery

	By       SelectAppBy
	Apps     []string // alternatives; none, or an empty one, means all (rule C3)
	DevNames []string // the same; heeded only when Class is CtiDevices or CtiLines (rule C4)
	Numbers  []string // the same; heeded only when Class is CtiLines (rule C4)

	Since   []Mark
	PerNode bool
}

// CtiResult is the answer to a CtiQuery.
type CtiResult struct {
	Nodes    []NodeCti
	Found    int
	Since    Verdict
	CaseOnly string // as in DeviceResult
}

// NodeCti is what one node answers to a CtiQuery.
type NodeCti struct {
	NodeAnswer
	Items []CtiItem // in order of AppId, then as opened
}

// CtiItem is one CtiItem: a connection, and of what it opened the device and the line that the class lists
// (rules C1 and C2); nil where the class has none.
type CtiItem struct {
	App    *Application
	Device *CtiDevice
	Line   *CtiLine
}
