package soap

// Operation is one of the three operations of the contract. The zero value is none of them.
type Operation uint8

// The operations.
const (
	NoOperation Operation = iota
	SelectCmDevice
	SelectCmDeviceExt
	SelectCtiItem
)

var operationNames = [...]string{"", "selectCmDevice", "selectCmDeviceExt", "selectCtiItem"}

// String is the operation's name in the contract; empty for NoOperation.
func (o Operation) String() string {
	if int(o) < len(operationNames) {
		return operationNames[o]
	}
	return ""
}

// Presence says in what form an element of a request came.
type Presence uint8

// The forms. Absent, Nil and Empty mean the same to every rule but are told apart for advice.
const (
	Absent Presence = iota // not in the request
	Nil                    // xsi:nil="true"
	Empty                  // there, without text
	Given                  // there, with text
)

// Text is an element's text as sent, with surrounding white space trimmed. Value is empty unless it was Given: the text
// of an element that is nil does not count.
type Text struct {
	Value string
	Presence
}

// Request is a decoded request: what was asked, as text, before any rule about values is applied to it.
// It is the same whichever decoder read it.
type Request struct {
	Op     Operation
	SOAP12 bool // the envelope was SOAP 1.2, and so must the answer be (rule H4)

	// StateInfo is the string of an earlier answer, in one form however it was sent: escaped text is unescaped,
	// and a nested element (X6) is written out as such a string. Empty when absent, nil or empty.
	StateInfo string

	// Max is MaxReturnedDevices or MaxReturnedItems. Class is DeviceClass or CtiMgrClass; SelectBy is SelectBy or
	// SelectAppBy; Items are the texts of SelectItems or AppItems, one for each item: Absent when it holds none.
	Max, Class, Model, Status, NodeName, SelectBy Text
	Items                                         []Text
	Protocol, DownloadStatus                      Text
	DevNames, DirNumbers                          []Text

	OutOfOrder string // the first element that stood out of the contract's order, or came again; empty when none did
	Unknown    string // the first element below the operation that the contract does not have; it was ignored
}
