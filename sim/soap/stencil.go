package soap

import (
	"math"
	"net/netip"
	"strconv"

	"github.com/risim/risim/sim/cluster"
)

// A large answer says nearly the same of a thousand devices: but for name, lines, description, time stamp and address they
// differ by model and condition only. So the first device of a kind is written element by element, by appendDevice, and the
// others are cut out by it: what they have in common is copied from the answer itself, between its seams. Whoever has
// something unusual is written element by element too.

// stencils remember where in the present answer devices of some kinds stand.
type stencils struct {
	answer uint32 // counts answers, so that a new one has none without anything being cleared
	table  [64]stencil
}

type stencil struct {
	answer uint32
	key    stencilKey
	at     seams
	end    int // of the device
}

// stencilKey is all that decides what is between the seams.
type stencilKey struct {
	kind     cluster.Kind
	attempts cluster.Uint
	lines    int
}

func (s *stencils) reset() {
	if s.answer++; s.answer == 0 { // after four thousand million answers
		*s = stencils{answer: 1}
	}
}

// appendItem appends a device by a stencil, or makes one.
func (mem *scratch) appendItem(b []byte, d cluster.DeviceRecord, reasons cluster.ReasonTable) []byte {
	o := &mem.own
	d.ReadOwn(o)
	key := stencilKey{d.Kind(), o.Attempts, len(o.Lines)}
	s := &mem.stencils.table[(key.kind.Hash()+uintptr(key.lines)*7)%uintptr(len(mem.stencils.table))]
	usual := o.Description != "" && o.LoginUser == "" && len(o.Lines) > 0 && o.TimeStamp > 0 && o.TimeStamp <= math.MaxUint32 &&
		o.IPv4.IsValid() && !o.IPv6.IsValid()
	if !usual || s.answer != mem.stencils.answer || s.key != key {
		d.Read(&mem.view)
		var at seams
		b = appendDevice(b, &mem.view.Device, &mem.view.Record, reasons, &at)
		if usual {
			*s = stencil{mem.stencils.answer, key, at, len(b)}
		}
		return b
	}
	at := &s.at
	b = append(b, `<ns1:item><ns1:Name>`...)
	b = appendText(b, string(o.Name))
	b = append(b, `</ns1:Name><ns1:DirNumber>`...)
	b = appendNumbers(b, o.Lines)
	b = append(b, b[at.number.end:at.description.begin]...)
	b = appendText(b, o.Description)
	b = append(b, b[at.description.end:at.stamp.begin]...)
	b = strconv.AppendInt(b, o.TimeStamp, 10)
	b = append(b, b[at.stamp.end:at.lines.begin]...)
	b = appendLineItems(b, o.Lines)
	b = append(b, b[at.lines.end:at.address.begin]...)
	b = cluster.AppendAddr(b, o.IPv4)
	return append(b, b[at.address.end:s.end]...)
}

// addressLen is how many bytes an address takes.
func addressLen(a netip.Addr) int {
	var room [40]byte
	return len(cluster.AppendAddr(room[:0], a))
}
