package cluster

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

// commons is what many devices and many records have in common, each once and with a number. It only saves memory: what
// it has forgotten is written down anew. It is safe for concurrent use, through a kit for each goroutine.
type commons struct {
	mu     sync.Mutex
	makes  interned[makeKey, Device]
	places interned[string, place]
	conds  interned[cond, cond]
}

// interned is values by what they are. The place in list is a value's number.
type interned[K comparable, V any] struct {
	number map[K]uint32
	list   []*V
}

func (in *interned[K, V]) put(key K, known bool, v func() *V) uint32 {
	if known {
		if n, ok := in.number[key]; ok {
			return n
		}
		if in.number == nil {
			in.number = map[K]uint32{}
		}
		in.number[key] = uint32(len(in.list))
	}
	in.list = append(in.list, v())
	return uint32(len(in.list) - 1)
}

// makeKey is what devices of a make have in common, but for the fields of an H.323 trunk: each of these has a make of its
// own.
type makeKey struct {
	class                                        Class
	protocol                                     Protocol
	httpd                                        Httpd
	attribute                                    Attribute
	cti                                          bool
	model                                        uint32
	product, boxProduct, perfMonObject, dChannel Uint
}

// cond is the condition of a record: what is the same in the records of many devices.
type cond struct {
	status                          Status
	download                        Download
	reason                          Reason
	activeLoad, inactiveLoad        string
	downloadFailure, downloadServer string
}

// most is about how many conditions, places or makes are remembered.
const most = 1 << 16

// kit is one goroutine's way to commons: it remembers what it found last, without waiting for others.
type kit struct {
	*commons
	lastMakes  [64]remembered[makeKey]
	lastPlaces [64]remembered[*place]
	lastConds  [256]remembered[cond]
}

// forget begins with other commons when these are much: a cluster that lives long comes by many conditions that it has no
// more. The numbers that were given are void then, those too that the kit remembers.
func (k *kit) forget() {
	if len(k.conds.list) > most || len(k.places.list) > most || len(k.makes.list) > most {
		*k = kit{commons: new(commons)}
	}
}

type remembered[K any] struct {
	key    K
	number uint32
	ok     bool
}

func (k *kit) makeOf(d *Device) uint32 {
	key := makeKey{d.Class, d.Protocol, d.Httpd, d.Attribute, d.IsCtiControllable, d.Model, d.Product, d.BoxProduct, d.PerfMonObject, d.DChannel}
	last := &k.lastMakes[(d.Model*31+uint32(d.Class))%uint32(len(k.lastMakes))]
	if d.H323 == nil && last.ok && last.key == key {
		return last.number
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.makes.put(key, d.H323 == nil, func() *Device {
		m := Device{Class: d.Class, Protocol: d.Protocol, Httpd: d.Httpd, Attribute: d.Attribute, IsCtiControllable: d.IsCtiControllable,
			Model: d.Model, Product: d.Product, BoxProduct: d.BoxProduct, PerfMonObject: d.PerfMonObject, DChannel: d.DChannel}
		if d.H323 != nil {
			trunk := *d.H323
			m.H323 = &trunk
		}
		return &m
	})
	if d.H323 == nil {
		*last = remembered[makeKey]{key, n, true}
	}
	return n
}

func (k *kit) placeOf(d *Device) uint32 {
	at := uint32(len(d.Group)) + uint32(len(d.Homes))*7
	for _, text := range [...]string{d.Group, firstHome(d)} {
		if text != "" {
			at = at*31 + uint32(text[len(text)-1])
		}
	}
	last := &k.lastPlaces[at%uint32(len(k.lastPlaces))]
	if last.ok && last.key.group == d.Group && slices.Equal(last.key.homes, d.Homes) && (d.Homes == nil) == (last.key.homes == nil) {
		return last.number
	}
	key := make([]byte, 0, 64)
	if d.Homes != nil {
		key = binary.AppendUvarint(key, uint64(len(d.Homes))+1)
	} else {
		key = append(key, 0)
	}
	for _, h := range d.Homes {
		key = append(binary.AppendUvarint(key, uint64(len(h))), h...)
	}
	key = append(key, d.Group...)
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.places.put(string(key), true, func() *place {
		homes := slices.Clone(d.Homes)
		for i := range homes {
			homes[i] = NodeName(strings.Clone(string(homes[i])))
		}
		return &place{homes, strings.Clone(d.Group)}
	})
	*last = remembered[*place]{k.places.list[n], n, true}
	return n
}

func firstHome(d *Device) string {
	if len(d.Homes) == 0 {
		return ""
	}
	return string(d.Homes[0])
}

func (k *kit) condOf(r *Record) uint32 {
	c := cond{r.Status, r.Download, r.Reason, r.ActiveLoad, r.InactiveLoad, r.DownloadFailure, r.DownloadServer}
	at := uint32(r.Status)*31 + uint32(r.Reason)*17 + uint32(r.Download)*7 + uint32(len(r.DownloadServer))
	for _, text := range [...]string{r.ActiveLoad, r.InactiveLoad} {
		if n := len(text); n > 4 {
			at = at*31 + uint32(text[n-1])*5 + uint32(text[n/2])*3 + uint32(text[3])
		}
	}
	last := &k.lastConds[at%uint32(len(k.lastConds))]
	if last.ok && last.key == c {
		return last.number
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.conds.put(c, true, func() *cond {
		own := c
		return &own
	})
	*last = remembered[cond]{c, n, true}
	return n
}

// cond gives the condition of a record as everybody has it.
func (k *kit) cond(r *Record) *cond { return k.conds.list[k.condOf(r)] }
