package cluster

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

// DeviceRecord is a device and one node's record of it.
type DeviceRecord struct {
	Device *Device
	Record *Record
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
