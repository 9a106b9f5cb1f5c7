package cluster

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// How devices are kept: packed, so that a million of them fit into little memory and the garbage collector has nothing to
// follow in them.
//
// A sheet is what the configuration knows of up to 256 devices, written down together and never changed: their texts one
// after the other in three long strings, of which everybody gets substrings, and what many devices have in common once.

const blockSize = 256 // devices of a sheet and of a block, at most: an item's number is a byte

type sheet struct {
	keys         string // folded names
	descriptions string
	rest         string // of each device: its name where that is not its key, and its lines; see appendRest
	items        []item
	tags         []byte    // of each key, eight bits of a hash
	makeOf       []uint8   // of each device, which of makes
	placeOf      []uint8   // and which of places
	makes        []*Device // what devices have in common: all but name, description, lines, homes and group
	places       []*place
	ascii        bool // the descriptions are: folding them keeps their places
	folded       bool // the names are: they are the keys
}

// item is where the texts of a device end.
type item struct{ key, description, rest uint32 }

// place is where devices belong.
type place struct {
	homes []NodeName
	group string
}

func (sh *sheet) key(i int) string {
	from := uint32(0)
	if i > 0 {
		from = sh.items[i-1].key
	}
	return sh.keys[from:sh.items[i].key]
}

func (sh *sheet) description(i int) string {
	from := uint32(0)
	if i > 0 {
		from = sh.items[i-1].description
	}
	return sh.descriptions[from:sh.items[i].description]
}

// extra is the rest of a device.
func (sh *sheet) extra(i int) string {
	from := uint32(0)
	if i > 0 {
		from = sh.items[i-1].rest
	}
	return sh.rest[from:sh.items[i].rest]
}

func (sh *sheet) make(i int) *Device { return sh.makes[sh.makeOf[i]] }

func (sh *sheet) name(i int) DeviceName {
	if sh.folded {
		return DeviceName(sh.key(i))
	}
	if extra := sh.extra(i); extra[0] != 0 {
		name, _ := cutText(extra)
		return DeviceName(name)
	}
	return DeviceName(sh.key(i))
}

// numbers gives the device's lines, packed; false when it has none because its class has none.
func (d device) numbers() (lines lineList, has bool) {
	extra := d.sheet.extra(d.item)
	if extra[0] == 0 {
		return cutLines(extra[1:])
	}
	_, extra = cutText(extra)
	return cutLines(extra)
}

// cutLines reads lines as appendRest wrote them.
func cutLines(text string) (lines lineList, has bool) {
	n, text := cutUint(text)
	return lineList{max(n, 1) - 1, text}, n > 0
}

// device is a device as it is written down.
type device struct {
	sheet *sheet
	item  int
}

func (d device) key() string { return d.sheet.key(d.item) }

// homes are the nodes with which the device registers, best first.
func (d device) homes() []NodeName { return d.sheet.places[d.sheet.placeOf[d.item]].homes }

// lineList is directory numbers, packed.
type lineList struct {
	n    int
	text string
}

// as makes lines of the numbers, all of a status; nil when there are none.
func (l lineList) as(status Status) []Line {
	if l.n == 0 {
		return nil
	}
	out := make([]Line, l.n)
	for i := range out {
		out[i].Number, l = l.next()
		out[i].Status = status
	}
	return out
}

// state is the lineState of a record of the device whose lines these are.
func (l lineList) state(have []Line) uint8 {
	return lineState(have, l.n, func() (number string) {
		number, l = l.next()
		return number
	})
}

// next gives the first of the numbers, and the others.
func (l lineList) next() (number string, others lineList) {
	n, text := cutUint(l.text)
	return text[:n], lineList{l.n - 1, text[n:]}
}

// unpack makes a device of an item. Its lines are appended to lines.
func (sh *sheet) unpack(i int, d *Device, lines []string) {
	*d = *sh.make(i)
	p := sh.places[sh.placeOf[i]]
	d.Homes, d.Group = p.homes, p.group
	d.Description = sh.description(i)
	d.key = sh.key(i)
	d.Name = sh.name(i)
	if list, has := (device{sh, i}).numbers(); has {
		d.Lines = slices.Grow(lines, list.n)
		for list.n > 0 {
			var number string
			number, list = list.next()
			d.Lines = append(d.Lines, number)
		}
		if d.Lines == nil {
			d.Lines = []string{}
		}
	}
}

// appendRest packs what sheet.rest has of a device: the length of the name and one more, and the name, or 0 when it is the
// key; the number of lines and one more, or 0 when they are nil; then each line's length and its number.
func appendRest(b []byte, d *Device) []byte {
	if string(d.Name) == d.key {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(len(d.Name))+1)
		b = append(b, d.Name...)
	}
	return appendLines(b, d.Lines)
}

func appendLines(b []byte, lines []string) []byte {
	if lines == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(lines))+1)
	for _, l := range lines {
		b = binary.AppendUvarint(b, uint64(len(l)))
		b = append(b, l...)
	}
	return b
}

// cutUint reads a number as binary.AppendUvarint wrote it.
func cutUint(s string) (n int, rest string) {
	if s[0] < 0x80 {
		return int(s[0]), s[1:]
	}
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		n |= int(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return n, s[i+1:]
		}
	}
}

// cutText reads a text after its length and one more.
func cutText(s string) (text, rest string) {
	n, s := cutUint(s)
	return s[:n-1], s[n-1:]
}

// find gives the item of a folded name. Its tag stands in a few hundred bytes, so that hardly any other key is looked at.
func (sh *sheet) find(key string) (int, bool) {
	t := tag(key)
	for from := 0; ; {
		i := bytes.IndexByte(sh.tags[from:], t)
		if i < 0 {
			return 0, false
		}
		if from += i; sh.key(from) == key {
			return from, true
		}
		from++
	}
}

// tag is eight bits of a hash of a key.
func tag[T string | []byte](key T) byte {
	h := uint32(2166136261) // FNV-1a
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return byte(h>>24 ^ h>>8)
}

// sheetWriter writes a sheet.
type sheetWriter struct {
	keys, descriptions, rest []byte
	items                    []item
	tags, makeOf, placeOf    []byte
	makes                    []*Device
	places                   []*place
}

// add writes a device down; mk and pl are numbers in w.makes and w.places.
func (w *sheetWriter) add(key, description, rest []byte, mk, pl int) {
	w.keys = append(w.keys, key...)
	w.descriptions = append(w.descriptions, description...)
	w.rest = append(w.rest, rest...)
	w.added(tag(key), mk, pl)
}

// copy writes down an item of another sheet.
func (w *sheetWriter) copy(sh *sheet, i int) {
	w.keys = append(w.keys, sh.key(i)...)
	w.descriptions = append(w.descriptions, sh.description(i)...)
	w.rest = append(w.rest, sh.extra(i)...)
	w.added(sh.tags[i], addOnce(&w.makes, sh.make(i)), addOnce(&w.places, sh.places[sh.placeOf[i]]))
}

func (w *sheetWriter) added(tag byte, mk, pl int) {
	w.items = append(w.items, item{uint32(len(w.keys)), uint32(len(w.descriptions)), uint32(len(w.rest))})
	w.tags, w.makeOf, w.placeOf = append(w.tags, tag), append(w.makeOf, uint8(mk)), append(w.placeOf, uint8(pl))
}

// addOnce gives the number of p in a short list, to which it is added when it is not there.
func addOnce[T any](list *[]*T, p *T) int {
	if i := slices.Index(*list, p); i >= 0 {
		return i
	}
	*list = append(*list, p)
	return len(*list) - 1
}

// sheet gives what has been written, and makes w ready for the next one.
func (w *sheetWriter) sheet() *sheet {
	n := len(w.items)
	columns := slices.Concat(w.tags, w.makeOf, w.placeOf)
	sh := &sheet{
		keys: string(w.keys), descriptions: string(w.descriptions), rest: string(w.rest), items: slices.Clone(w.items),
		tags: columns[:n], makeOf: columns[n : 2*n], placeOf: columns[2*n:],
		makes: slices.Clone(w.makes), places: slices.Clone(w.places), ascii: true, folded: true,
	}
	for i := range sh.items {
		sh.folded = sh.folded && sh.extra(i)[0] == 0
	}
	for _, c := range w.descriptions {
		if c >= utf8.RuneSelf {
			sh.ascii = false
		}
	}
	*w = sheetWriter{w.keys[:0], w.descriptions[:0], w.rest[:0], w.items[:0], w.tags[:0], w.makeOf[:0], w.placeOf[:0], w.makes[:0], w.places[:0]}
	return sh
}

// device writes a device down that kit knows the common parts of.
func (w *sheetWriter) device(d *Device, k *kit) {
	mk, pl := addOnce(&w.makes, k.makes.list[k.makeOf(d)]), addOnce(&w.places, k.places.list[k.placeOf(d)])
	w.add([]byte(d.key), []byte(d.Description), appendRest(nil, d), mk, pl)
}
