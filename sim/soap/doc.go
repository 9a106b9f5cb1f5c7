// Package soap is RisPort70 on the wire: it decodes requests, authenticates and throttles them, asks a
// [cluster.Snapshot], and encodes the answer or the fault.
package soap
