package cluster

import "net/netip"

// NodeName is the name under which a node is defined in the cluster: a host name, a full name or an address.
type NodeName string

// DeviceName is a device's name as configured, such as SEP000102030405. Names are unique ignoring case (rule W6).
type DeviceName string

// Node is a server of the cluster that runs RIS. The zero Address means that it has none.
type Node struct {
	Name      NodeName
	Publisher bool       // at most one; it comes first in every answer (rule R3)
	Address   netip.Addr // a query may name the node by it (rule Q8)
	Address6  netip.Addr

	// Started and CtiStarted are the epoch seconds at which the node's device and CTI subsystems of RIS
	// started: SubsystemStartTime of the answers (rule N2). 0 in a Config means the store's start, less a minute
	// and more.
	Started, CtiStarted int64
}

// NodeState says whether a node answers. The zero value is Up.
type NodeState uint8

// The node states. A node that is Down or Isolated is NodeNotResponding; one that is Broken answers InternalError
// (rule R5).
const (
	Up NodeState = iota
	Down
	Isolated
	Broken
)

var nodeStateNames = []string{"up", "down", "isolated", "broken"}

// String is "up", "down", "isolated" or "broken".
func (s NodeState) String() string { return spell(nodeStateNames, s) }

// Uint is a number that may be absent: nil on the wire. The zero value is absent.
type Uint struct {
	n  uint32
	ok bool
}

// Some is the number n, present.
func Some(n uint32) Uint { return Uint{n, true} }

// Get gives the number, and false when it is absent.
func (u Uint) Get() (uint32, bool) { return u.n, u.ok }

// Device is what the cluster's configuration knows of a device, the same on every node. Absent texts and numbers
// (zero values) are nil on the wire (rule X3). What a Snapshot gives is a copy; but Homes and H323 are many copies' own, and
// must not be changed.
type Device struct {
	Name              DeviceName
	Description       string
	Class             Class
	Protocol          Protocol
	Httpd             Httpd
	Attribute         Attribute // of its addresses (rule R10)
	IsCtiControllable bool
	Model             uint32 // typemodel number (models.tsv)
	Product           Uint   // absent where nobody knows it
	BoxProduct        Uint
	PerfMonObject     Uint
	DChannel          Uint
	H323              *H323Trunk // nil for all but H.323 trunks and gateways: ten nil children (rule X3)
	Lines             []string   // configured directory numbers, in button order; nil for a class without lines
	Homes             []NodeName // nodes with which it registers, best first
	Group             string     // a name under which scenarios find it; never on the wire

	key string // fold(Name)
}

// H323Trunk holds the ten fields of an H.323 trunk; an empty one is nil on the wire.
type H323Trunk struct {
	ConfigName, TechPrefix, Zone                      string
	RemoteCmServer1, RemoteCmServer2, RemoteCmServer3 string
	AltGkList, ActiveGk, CallSignalAddr, RasAddr      string
}

// Line is one line of a record: its directory number and how it stands.
type Line struct {
	Number string // as printed: a leading \+ stays as it is
	Status Status // not PartiallyRegistered (rule R7)
}

// Record is what one node's RIS remembers of a device: a registration. What a Snapshot gives is a copy.
type Record struct {
	Status    Status
	Reason    Reason // 0 when Registered (rule R8)
	TimeStamp int64  // epoch seconds of the last change of status (rule R9)
	Attempts  Uint   // RegistrationAttempts
	LoginUser string // Extension Mobility user, empty when none
	Lines     []Line
	IPv4      netip.Addr // the zero Addr: none
	IPv6      netip.Addr

	ActiveLoad, InactiveLoad        string
	Download                        Download
	DownloadFailure, DownloadServer string

	// StateID is the node's device StateId at this record's last change. The store sets it.
	StateID uint64
}

// Registration places a Record: which device, on which node.
type Registration struct {
	Device DeviceName
	Node   NodeName
	Record
}

// Application is one connection of a CTI application with a node's CTI Manager. In a Snapshot it never changes.
type Application struct {
	Name      string     // as the application gave it
	Instance  uint32     // unique per connection
	Address   netip.Addr // the application's address, current or last known
	Address6  netip.Addr
	User      string
	Node      NodeName
	Status    CtiStatus
	Reason    uint32
	TimeStamp int64
	Devices   []CtiDevice // what it opened, or tried to

	// StateID is the node's CTI StateId at the last change of the connection itself. The store sets it.
	StateID uint64
}

// CtiDevice is a device that an application opened or tried to open.
type CtiDevice struct {
	Name          DeviceName
	ControlsMedia bool
	Status        CtiStatus
	Reason        uint32
	TimeStamp     int64
	Lines         []CtiLine
	StateID       uint64 // set by the store
}

// CtiLine is a line that an application opened or tried to open.
type CtiLine struct {
	Number    string
	Status    CtiStatus
	Reason    uint32
	TimeStamp int64
	StateID   uint64 // set by the store
}
