package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// Reason is a StatusReason: a cause by name, or a plain number. A named cause has different numbers in different
// editions (Cisco's reference prints ConnectivityError as 2 and PowerSavePlus as 19; the field's tables say 6 and
// 21), and another table holds for Rejected; the number is looked up when it is printed (rule R8). The zero value is
// 0: no reason.
type Reason uint16

// ReasonNumber is a reason given as the number that the answer prints, whatever table is in force (rule R8).
func ReasonNumber(n uint16) Reason { return Reason(n) &^ named }

const named Reason = 1 << 15

// The named causes. The first group is why a device unregistered, the second why it was rejected; the ones from
// both are in both tables.
const (
	NoReason Reason = 0

	ReasonUnknown Reason = named + iota
	NoEntryInDatabase
	DatabaseConfigurationError
	DeviceNameUnresolveable
	MaxDevRegExceeded
	ConnectivityError
	InitializationError
	DeviceInitiatedReset
	CallManagerReset
	DeviceUnregistered
	MalformedRegisterMsg
	SCCPDeviceThrottling
	KeepAliveTimeout
	ConfigurationMismatch
	CallManagerRestart
	DuplicateRegistration
	CallManagerApplyConfig
	DeviceNoResponse
	EMLoginLogout
	EMCCLoginLogout
	PowerSavePlus
	CallManagerForcedRestart
	SourceIPAddrChanged
	SourcePortChanged
	RegistrationSequenceError
	InvalidCapabilities
	FallbackInitiated
	DeviceSwitch
	DeviceWipe
	DeviceForcedReset
	LowBattery
	ManualPowerOff

	AuthenticationError
	InvalidX509NameInCertificate
	InvalidTLSCipher
	DirectoryNumberMismatch
	ProtocolMismatch
	DeviceNotActive
	AuthenticatedDeviceAlreadyExists
	ObsoleteProtocolVersion
	DatabaseTimeout
	CapabilityResponseTimeout
	SecurityMismatch
	AutoRegisterDBError
	DBAccessError
	AutoRegisterDBConfigTimeout
	DeviceTypeMismatch
	AddressingModeMismatch
)

// One row per cause: its name and its number in the three tables, -1 where the table has it not. Numbers: Cisco's
// reference for documented; the management information base and field captures for the other two.
var reasons = []struct {
	reason                       Reason
	name                         string
	documented, field, rejection int
}{
	{ReasonUnknown, "Unknown", 1, 1, 1},
	{NoEntryInDatabase, "NoEntryInDatabase", -1, 2, 2},
	{DatabaseConfigurationError, "DatabaseConfigurationError", -1, 3, 3},
	{DeviceNameUnresolveable, "DeviceNameUnresolveable", -1, 4, 4},
	{MaxDevRegExceeded, "MaxDevRegExceeded", -1, 5, 5},
	{ConnectivityError, "ConnectivityError", 2, 6, 6},
	{InitializationError, "InitializationError", -1, 7, 7},
	{DeviceInitiatedReset, "DeviceInitiatedReset", 8, 8, 8},
	{CallManagerReset, "CallManagerReset", 9, 9, 9},
	{DeviceUnregistered, "DeviceUnregistered", 10, 10, -1},
	{MalformedRegisterMsg, "MalformedRegisterMsg", 11, 11, 14},
	{SCCPDeviceThrottling, "SCCPDeviceThrottling", 12, 12, -1},
	{KeepAliveTimeout, "KeepAliveTimeout", 13, 13, -1},
	{ConfigurationMismatch, "ConfigurationMismatch", 14, 14, -1},
	{CallManagerRestart, "CallManagerRestart", 15, 15, -1},
	{DuplicateRegistration, "DuplicateRegistration", 16, 16, -1},
	{CallManagerApplyConfig, "CallManagerApplyConfig", 17, 17, -1},
	{DeviceNoResponse, "DeviceNoResponse", 18, 18, -1},
	{EMLoginLogout, "EMLoginLogout", -1, 19, -1},
	{EMCCLoginLogout, "EMCCLoginLogout", -1, 20, -1},
	{PowerSavePlus, "PowerSavePlus", 19, 21, -1},
	{CallManagerForcedRestart, "CallManagerForcedRestart", -1, 22, -1},
	{SourceIPAddrChanged, "SourceIPAddrChanged", -1, 23, -1},
	{SourcePortChanged, "SourcePortChanged", -1, 24, -1},
	{RegistrationSequenceError, "RegistrationSequenceError", -1, 25, 25},
	{InvalidCapabilities, "InvalidCapabilities", -1, 26, 26},
	{FallbackInitiated, "FallbackInitiated", -1, 28, -1},
	{DeviceSwitch, "DeviceSwitch", -1, 29, -1},
	{DeviceWipe, "DeviceWipe", -1, 30, -1},
	{DeviceForcedReset, "DeviceForcedReset", -1, 31, -1},
	{LowBattery, "LowBattery", -1, 33, -1},
	{ManualPowerOff, "ManualPowerOff", -1, 34, -1},
	{AuthenticationError, "AuthenticationError", -1, -1, 10},
	{InvalidX509NameInCertificate, "InvalidX509NameInCertificate", -1, -1, 11},
	{InvalidTLSCipher, "InvalidTLSCipher", -1, -1, 12},
	{DirectoryNumberMismatch, "DirectoryNumberMismatch", -1, -1, 13},
	{ProtocolMismatch, "ProtocolMismatch", -1, -1, 15},
	{DeviceNotActive, "DeviceNotActive", -1, -1, 16},
	{AuthenticatedDeviceAlreadyExists, "AuthenticatedDeviceAlreadyExists", -1, -1, 17},
	{ObsoleteProtocolVersion, "ObsoleteProtocolVersion", -1, -1, 18},
	{DatabaseTimeout, "DatabaseTimeout", -1, -1, 23},
	{CapabilityResponseTimeout, "CapabilityResponseTimeout", -1, -1, 27},
	{SecurityMismatch, "SecurityMismatch", -1, -1, 28},
	{AutoRegisterDBError, "AutoRegisterDBError", -1, -1, 29},
	{DBAccessError, "DBAccessError", -1, -1, 30},
	{AutoRegisterDBConfigTimeout, "AutoRegisterDBConfigTimeout", -1, -1, 31},
	{DeviceTypeMismatch, "DeviceTypeMismatch", -1, -1, 32},
	{AddressingModeMismatch, "AddressingModeMismatch", -1, -1, 33},
}

// ReasonTable chooses the edition of the reason numbers (rule R8).
type ReasonTable uint8

// The editions: as Cisco's reference prints them, or as the field knows them.
const (
	DocumentedReasons ReasonTable = iota
	FieldReasons
)

// Number gives the number that the answer prints for a reason under a status. A cause that the table in force does
// not have prints as 1, Unknown (simulator's choice).
func (t ReasonTable) Number(s Status, r Reason) uint32 {
	if r&named == 0 {
		return uint32(r)
	}
	row := reasons[r&^named-1]
	n := row.field
	switch {
	case s == Rejected:
		n = row.rejection
	case t == DocumentedReasons:
		n = row.documented
	}
	if n < 0 {
		return 1
	}
	return uint32(n)
}

// ParseReason reads a cause by name, ignoring case, or a number from 0 to 32767.
func ParseReason(text string) (Reason, error) {
	for _, row := range reasons {
		if strings.EqualFold(row.name, text) {
			return row.reason, nil
		}
	}
	if n, err := strconv.ParseUint(text, 10, 15); err == nil {
		return ReasonNumber(uint16(n)), nil
	}
	return 0, fmt.Errorf("reason %q is neither a known cause, such as KeepAliveTimeout, nor a number up to 32767", text)
}

// String is the cause's name, or the number.
func (r Reason) String() string {
	if r&named == 0 {
		return strconv.Itoa(int(r))
	}
	return reasons[r&^named-1].name
}
