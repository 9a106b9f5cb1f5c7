package cluster

import "strings"

// The enumerations of the contract. Each prints and parses in the contract's own spelling; the zero value is
// "Any" where a query has one and "absent" (nil on the wire) where a record has one.

// Class is a DeviceClass of the contract. The zero value is AnyClass, which only queries use.
type Class uint8

// The device classes, in the contract's order.
const (
	AnyClass Class = iota
	Phone
	Gateway
	H323
	Cti
	VoiceMail
	MediaResources
	SIPTrunk
	HuntList
	UnknownClass
)

var classNames = []string{"Any", "Phone", "Gateway", "H323", "Cti", "VoiceMail", "MediaResources", "SIPTrunk", "HuntList", "Unknown"}

// String is the contract's spelling.
func (c Class) String() string { return spell(classNames, c) }

// ParseClass reads the contract's spelling, ignoring case; false means that there is no such class.
func ParseClass(text string) (Class, bool) { return parse[Class](classNames, text) }

// Status is a CmDevRegStat of the contract: how a device, or one of its lines, stands with a node.
// Lines have no PartiallyRegistered (rule R7). The zero value is AnyStatus, which only queries use.
type Status uint8

// The registration states, in the contract's order and spelling (UnRegistered with a capital R, rule X5).
const (
	AnyStatus Status = iota
	Registered
	UnRegistered
	Rejected
	PartiallyRegistered
	UnknownStatus
)

var statusNames = []string{"Any", "Registered", "UnRegistered", "Rejected", "PartiallyRegistered", "Unknown"}

// String is the contract's spelling.
func (s Status) String() string { return spell(statusNames, s) }

// ParseStatus reads the contract's spelling, ignoring case; false means that there is no such status.
func ParseStatus(text string) (Status, bool) { return parse[Status](statusNames, text) }

// Protocol is a ProtocolType of the contract. In a query the zero value means any; in a device it means
// that the class has no protocol, and the answer says nil.
type Protocol uint8

// The protocols, in the contract's order. H.323 and MGCP devices can only be UnknownProtocol.
const (
	AnyProtocol Protocol = iota
	SCCP
	SIP
	UnknownProtocol
)

var protocolNames = []string{"Any", "SCCP", "SIP", "Unknown"}

// String is the contract's spelling.
func (p Protocol) String() string { return spell(protocolNames, p) }

// ParseProtocol reads the contract's spelling, ignoring case; false means that there is no such protocol.
func ParseProtocol(text string) (Protocol, bool) { return parse[Protocol](protocolNames, text) }

// Download is a DeviceDownloadStatus of the contract. In a query the zero value means any; in a record it
// means that the class downloads no firmware, and the answer says nil.
type Download uint8

// The firmware download states, in the contract's order.
const (
	AnyDownload Download = iota
	Upgrading
	Successful
	Failed
	UnknownDownload
)

var downloadNames = []string{"Any", "Upgrading", "Successful", "Failed", "Unknown"}

// String is the contract's spelling.
func (d Download) String() string { return spell(downloadNames, d) }

// ParseDownload reads the contract's spelling, ignoring case; false means that there is no such state.
func ParseDownload(text string) (Download, bool) { return parse[Download](downloadNames, text) }

// Httpd tells whether a device has a web server. The zero value is absent: nil on the wire.
type Httpd uint8

// The values of CmDevHttpd.
const (
	NoHttpd Httpd = iota
	HttpdYes
	HttpdNo
	HttpdUnknown
)

var httpdNames = []string{"", "Yes", "No", "Unknown"}

// String is the contract's spelling; empty for the zero value.
func (h Httpd) String() string { return spell(httpdNames, h) }

// ParseHttpd reads the contract's spelling, ignoring case; false means that there is no such value.
func ParseHttpd(text string) (Httpd, bool) { return parse[Httpd](httpdNames, text) }

// Attribute says what an address is for. The zero value is absent: nil on the wire.
type Attribute uint8

// The values of AttributeType. Adminstrative is the contract's own spelling (rule X5).
const (
	NoAttribute Attribute = iota
	AttributeUnknown
	Adminstrative
	Signaling
	AdministrativeAndSignaling
)

var attributeNames = []string{"", "Unknown", "Adminstrative", "Signaling", "AdministrativeAndSignaling"}

// String is the contract's spelling; empty for the zero value.
func (a Attribute) String() string { return spell(attributeNames, a) }

// ParseAttribute reads the contract's spelling, ignoring case; false means that there is no such value.
func ParseAttribute(text string) (Attribute, bool) { return parse[Attribute](attributeNames, text) }

// SelectBy says what the items of a device query are compared with. The zero value is ByName (rule Q7).
type SelectBy uint8

// The values of CmSelectBy.
const (
	ByName SelectBy = iota
	ByIPv4
	ByIPv6
	ByDirNumber
	ByDescription
)

var selectByNames = []string{"Name", "IPV4Address", "IPV6Address", "DirNumber", "Description"}

// String is the contract's spelling.
func (s SelectBy) String() string { return spell(selectByNames, s) }

// ParseSelectBy reads the contract's spelling, ignoring case; false means that there is no such value.
func ParseSelectBy(text string) (SelectBy, bool) { return parse[SelectBy](selectByNames, text) }

// CtiClass says what a CTI query lists: application connections, devices they opened, or lines (rule C1).
type CtiClass uint8

// The values of CtiMgrClass.
const (
	Provider CtiClass = iota
	CtiDevices
	CtiLines
)

var ctiClassNames = []string{"Provider", "Device", "Line"}

// String is the contract's spelling.
func (c CtiClass) String() string { return spell(ctiClassNames, c) }

// ParseCtiClass reads the contract's spelling, ignoring case; false means that there is no such class.
func ParseCtiClass(text string) (CtiClass, bool) { return parse[CtiClass](ctiClassNames, text) }

// CtiStatus is the state of an application connection, or of a device or line that it opened.
// The zero value is AnyCtiStatus, which only queries use.
type CtiStatus uint8

// The values of CtiStatus.
const (
	AnyCtiStatus CtiStatus = iota
	Open
	Closed
	OpenFailed
	UnknownCtiStatus
)

var ctiStatusNames = []string{"Any", "Open", "Closed", "OpenFailed", "Unknown"}

// String is the contract's spelling.
func (s CtiStatus) String() string { return spell(ctiStatusNames, s) }

// ParseCtiStatus reads the contract's spelling, ignoring case; false means that there is no such status.
func ParseCtiStatus(text string) (CtiStatus, bool) { return parse[CtiStatus](ctiStatusNames, text) }

// SelectAppBy says what the AppItems of a CTI query are compared with. The zero value is ByAppID.
type SelectAppBy uint8

// The values of CtiSelectAppBy.
const (
	ByAppID SelectAppBy = iota
	ByAppIPv4
	ByAppIPv6
	ByUserID
)

var selectAppByNames = []string{"AppId", "AppIPV4Address", "AppIPV6Address", "UserId"}

// String is the contract's spelling.
func (s SelectAppBy) String() string { return spell(selectAppByNames, s) }

// ParseSelectAppBy reads the contract's spelling, ignoring case; false means that there is no such value.
func ParseSelectAppBy(text string) (SelectAppBy, bool) {
	return parse[SelectAppBy](selectAppByNames, text)
}

// ReturnCode is a RisReturnCode: what one node answers.
type ReturnCode uint8

// The values of RisReturnCode.
const (
	Ok ReturnCode = iota
	NotFound
	InvalidRequest
	InternalError
	NodeNotResponding
	InvalidNodeName
)

var returnCodeNames = []string{"Ok", "NotFound", "InvalidRequest", "InternalError", "NodeNotResponding", "InvalidNodeName"}

// String is the contract's spelling.
func (r ReturnCode) String() string { return spell(returnCodeNames, r) }

// ClassNames, StatusNames and the others list the contract's spellings in order, for messages that say what
// was expected. Callers must not change them.
func ClassNames() []string { return classNames }

// StatusNames lists the spellings of Status, Any first.
func StatusNames() []string { return statusNames }

// ProtocolNames lists the spellings of Protocol, Any first.
func ProtocolNames() []string { return protocolNames }

// DownloadNames lists the spellings of Download, Any first.
func DownloadNames() []string { return downloadNames }

// SelectByNames lists the spellings of SelectBy.
func SelectByNames() []string { return selectByNames }

// CtiClassNames lists the spellings of CtiClass.
func CtiClassNames() []string { return ctiClassNames }

// CtiStatusNames lists the spellings of CtiStatus, Any first.
func CtiStatusNames() []string { return ctiStatusNames }

// SelectAppByNames lists the spellings of SelectAppBy.
func SelectAppByNames() []string { return selectAppByNames }

func spell[E ~uint8](names []string, e E) string {
	if int(e) < len(names) {
		return names[e]
	}
	return "Unknown"
}

func parse[E ~uint8](names []string, text string) (E, bool) {
	for i, n := range names {
		if n != "" && strings.EqualFold(n, text) {
			return E(i), true
		}
	}
	return 0, false
}
