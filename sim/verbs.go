package sim

import (
	"net/netip"
	"slices"

	"github.com/risim/risim/sim/cluster"
)

// The verbs: what can happen to a cluster, for Apply. They are the changes of package cluster in the words that a test
// would use; the types there have the rarer details.

// Register registers a device with a node; "" means the first of its homes that is up.
func Register(device cluster.DeviceName, node cluster.NodeName) cluster.Change {
	return cluster.Register{Device: device, Node: node}
}

// Unregister makes the latest record of a device UnRegistered with a reason, such as cluster.KeepAliveTimeout or
// cluster.ReasonNumber(13); 0 means unknown.
func Unregister(device cluster.DeviceName, reason cluster.Reason) cluster.Change {
	return cluster.Unregister{Device: device, Reason: reason}
}

// Reject makes a node refuse a device, with a reason of the registration-failure table such as
// cluster.AuthenticationError; "" means the first of its homes that is up.
func Reject(device cluster.DeviceName, node cluster.NodeName, reason cluster.Reason) cluster.Change {
	return cluster.Reject{Device: device, Node: node, Reason: reason}
}

// PartiallyRegister registers a device without some of its lines; none named means without the last one.
func PartiallyRegister(device cluster.DeviceName, without ...string) cluster.Change {
	return cluster.PartiallyRegister{Device: device, Down: without}
}

// Failover moves a device to another node, which leaves an UnRegistered record behind (rule V2); "" means the next of
// its homes that is up.
func Failover(device cluster.DeviceName, to cluster.NodeName) cluster.Change {
	return cluster.Failover{Device: device, To: to}
}

// Fallback moves a device back to the best of its homes that is up (rule V2).
func Fallback(device cluster.DeviceName) cluster.Change { return cluster.Fallback{Device: device} }

// Readdress gives a registered device another address, IPv4 or IPv6.
func Readdress(device cluster.DeviceName, addr netip.Addr) cluster.Change {
	if addr = addr.Unmap(); addr.Is6() {
		return cluster.Readdress{Device: device, IPv6: addr}
	}
	return cluster.Readdress{Device: device, IPv4: addr}
}

// Login logs an Extension Mobility user in at a device, with lines of that user's own if any are given (rule V4).
func Login(device cluster.DeviceName, user string, lines ...string) cluster.Change {
	return cluster.Login{Device: device, User: user, Lines: lines}
}

// Logout logs the Extension Mobility user out (rule V4).
func Logout(device cluster.DeviceName) cluster.Change { return cluster.Logout{Device: device} }

// AddDevice configures a new device. It has no record on any node until it registers (rule R6).
func AddDevice(d cluster.Device) cluster.Change {
	return cluster.AddDevices{Devices: []cluster.Device{d}}
}

// RemoveDevices takes devices out of the configuration, with all records of them.
func RemoveDevices(names ...cluster.DeviceName) cluster.Change {
	return cluster.RemoveDevices{Names: slices.Clone(names)}
}

// StopNode takes a node down: it is NodeNotResponding until StartNode (rule R5). Its devices stay where they are until
// they fail over.
func StopNode(node cluster.NodeName) cluster.Change {
	return cluster.SetNodeState{Node: node, State: cluster.Down}
}

// StartNode makes a node answer again, whatever kept it from that. Its records are back with it (rule R5).
func StartNode(node cluster.NodeName) cluster.Change { return cluster.SetNodeState{Node: node} }

// IsolateNode cuts a node off from the others: NodeNotResponding, but the devices that are registered with it stay so
// (rule R5).
func IsolateNode(node cluster.NodeName) cluster.Change {
	return cluster.SetNodeState{Node: node, State: cluster.Isolated}
}

// BreakRIS makes a node answer InternalError until StartNode (rule R5).
func BreakRIS(node cluster.NodeName) cluster.Change {
	return cluster.SetNodeState{Node: node, State: cluster.Broken}
}

// RestartRIS makes a node forget all devices and applications and count from the start (rule V5).
func RestartRIS(node cluster.NodeName) cluster.Change { return cluster.RestartRIS{Node: node} }

// Connect makes a CTI application's connection as given, new or known by its node and AppId (rule V6).
func Connect(a cluster.Application) cluster.Change { return cluster.SetApplication{Application: a} }

// OpenApplication opens known connections of a CTI application again, by its name or AppId, with the devices and lines
// that they had.
func OpenApplication(name string) cluster.Change { return cluster.OpenApplication{Name: name} }

// CloseApplication ends the connections of a CTI application, and closes what it had open (rule V6).
func CloseApplication(name string, reason uint32) cluster.Change {
	return cluster.CloseApplication{Name: name, Reason: reason}
}

// FailApplication makes the connections of a CTI application OpenFailed.
func FailApplication(name string, reason uint32) cluster.Change {
	return cluster.FailApplication{Name: name, Reason: reason}
}

// OpenDevices makes a CTI application open devices, with all their lines (rule V6).
func OpenDevices(application string, devices ...cluster.DeviceName) cluster.Change {
	return cluster.OpenDevices{Name: application, Devices: slices.Clone(devices)}
}

// CloseDevices makes a CTI application close devices; none named means all that it has.
func CloseDevices(application string, reason uint32, devices ...cluster.DeviceName) cluster.Change {
	return cluster.CloseDevices{Name: application, Reason: reason, Devices: slices.Clone(devices)}
}
