// Package cluster is one Unified CM cluster as a value: what it knows, and how that changes.
//
//	store, err := cluster.New(time.Now(), cluster.Config{
//		Nodes:   []cluster.Node{{Name: "cucm-pub", Publisher: true}},
//		Devices: []cluster.Device{{Name: "SEP000102030405", Class: cluster.Phone, Lines: []string{"1001"}}},
//	})
//	err = store.Apply(time.Now(), cluster.Register{Device: "SEP000102030405", Node: "cucm-pub"})
//	res := store.Snapshot().Select(cluster.DeviceQuery{Items: []string{"SEP*"}})
//
// A device is configured once for the cluster. Each node's RIS keeps its own record of every device that has registered
// with it since RIS started there, so that a failover leaves two: an UnRegistered one on the node that was left, and a
// newer, Registered one on the node that took over. selectCmDevice shows both, selectCmDeviceExt only the newest
// (DeviceQuery.Newest). CTI applications have connections with nodes, and through these devices and lines open.
//
// Every change of a node's records raises that node's StateId, and each node remembers its recent changes. From the
// StateIds of an earlier answer (a query's Since) follows whether anything that the query is about has changed.
//
// What it promises:
//
//   - A [Snapshot] and everything reached from it never changes. Any number of goroutines may read it; a request reads
//     one snapshot and nothing else.
//   - [Store.Apply] makes all its changes or none, and tells of everything that is wrong with them.
//   - Time is an argument. There is no clock here, no randomness, and nothing of HTTP or SOAP: the same configuration and
//     the same changes give the same answers. New works with as many goroutines as there are processors; none outlives it.
//   - A million devices fit: they are packed, at some 150 bytes each with all indices. What is packed is unpacked when it
//     is asked for, so that a Device or a Record is always a copy.
//
// The files: device.go and enum.go are the words, query.go the questions and answers; change.go, life.go and lifecti.go are
// what can happen. The state: sheet.go packs what is configured, block.go records, commons.go what many have in common;
// snapshot.go holds all blocks, build.go makes them for a new cluster, tx.go changes them, state.go gives them as plain
// values and takes them back. Answers: select.go with finder.go, index.go and match.go for devices, cti.go for
// applications; since.go decides on NoChange, and explain.go says why something is not in
// an answer. reason.go has the tables of status reasons.
package cluster
