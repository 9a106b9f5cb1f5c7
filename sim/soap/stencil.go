package soap

import (
	"math"
	"net/netip"
	"strconv"

	"github.com/risim/risim/sim/cluster"
)

// Answers say nearly the same of all devices: but for name, lines, description, time stamp and address they differ by model
// and condition only. So the first device of a kind is written element by element, by appendDevice, and is kept as the stencil
// by which the others are cut out: what they have in common is copied, between the seams. Whoever has something unusual is
// written element by element too.

// stencils are those of some kinds, each at a place that its key says.
type stencils [64]stencil

// stencil is a device as it was written.
type stencil struct {
	key  stencilKey
	text []byte // from its beginning
	at   seams
}

// stencilKey is all that decides what is between the seams.
type stencilKey struct {
	kind     cluster.Kind
	attempts cluster.Uint
	lines    int
	reasons  cluster.ReasonTable
}

// appendItem appends a device by a stencil, or makes one.
func (mem *scratch) appendItem(b []byte, d cluster.DeviceRecord, reasons cluster.ReasonTable) []byte {
	o := &mem.own
	d.ReadOwn(o)
	usual := o.Description != "" && o.LoginUser == "" && len(o.Lines) > 0 && o.TimeStamp > 0 && o.TimeStamp <= math.MaxUint32 &&
		o.IPv4.IsValid() && !o.IPv6.IsValid()
	if !usual {
		d.Read(&mem.view)
		return appendDevice(b, &mem.view.Device, &mem.view.Record, reasons, new(seams))
	}
	key := stencilKey{d.Kind(), o.Attempts, len(o.Lines), reasons}
	attempts, _ := o.Attempts.Get()
	s := &mem.stencils[(key.kind.Hash()+uint32(key.lines)*7+attempts*13)%uint32(len(mem.stencils))]
	if s.key != key {
		d.Read(&mem.view)
		s.key = key
		s.text = appendDevice(s.text[:0], &mem.view.Device, &mem.view.Record, reasons, &s.at)
		return append(b, s.text...)
	}
	text, at := s.text, &s.at
	b = append(b, `<ns1:item><ns1:Name>`...)
	b = appendText(b, string(o.Name))
	b = append(b, `</ns1:Name><ns1:DirNumber>`...)
	b = appendNumbers(b, o.Lines)
	b = append(b, text[at.number.end:at.description.begin]...)
	b = appendText(b, o.Description)
	b = append(b, text[at.description.end:at.stamp.begin]...)
	b = strconv.AppendInt(b, o.TimeStamp, 10)
	b = append(b, text[at.stamp.end:at.lines.begin]...)
	b = appendLineItems(b, o.Lines)
	b = append(b, text[at.lines.end:at.address.begin]...)
	b = cluster.AppendAddr(b, o.IPv4)
	return append(b, text[at.address.end:]...)
}

// addressLen is how many bytes an address takes.
func addressLen(a netip.Addr) int {
	var room [40]byte
	return len(cluster.AppendAddr(room[:0], a))
}
