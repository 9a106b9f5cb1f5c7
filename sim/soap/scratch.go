package soap

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// What an exchange needs is used again by another one after it, so that a request costs next to no garbage: a collector that
// runs often is dear in a process that holds a million devices.

// scratch is the memory of an exchange.
type scratch struct {
	exchange Exchange
	advice   [4]Advice // room for Exchange.Advice
	body     []byte    // of the request
	builder  requestBuilder
	query    query    // that was answered; its texts are the request's
	texts    []string // room for the lists of a query
	result   cluster.DeviceResult
	marks    []cluster.Mark
	view     cluster.View
	own      cluster.Own
	stencils stencils
	state    []byte // StateInfo of the answer
	latest   string // the one that stateText gave last
	out      []byte // the answer
	reply    reply
}

// What is larger than this is not kept for another exchange.
const (
	keptAnswer  = 16 << 20
	keptRequest = 1 << 20
	keptTexts   = 10_000
)

// tidy lets go of what must not live longer than the exchange, and says whether the memory is worth keeping.
func (mem *scratch) tidy() bool {
	clear(mem.exchange.Advice)
	mem.exchange = Exchange{}
	mem.reply, mem.query = reply{}, query{}
	for i := range mem.result.Nodes {
		clear(mem.result.Nodes[i].Devices) // which hold on to a snapshot
	}
	b := &mem.builder.req
	return cap(mem.out) <= keptAnswer && cap(mem.body) <= keptRequest &&
		max(cap(mem.texts), cap(b.Items), cap(b.DevNames), cap(b.DirNumbers)) <= keptTexts
}

// stateText is state as a text. While nothing happens in the cluster it is the same again and again.
func (mem *scratch) stateText() string {
	if string(mem.state) != mem.latest {
		mem.latest = string(mem.state)
	}
	return mem.latest
}

// contentTypes are values of the header, as a map of headers takes them. They never change.
var contentTypes = map[string][]string{textXML: {textXML}, soapXML: {soapXML}, textHTML: {textHTML}}

// dates makes values of the Date header, and remembers the last one.
type dates struct{ last atomic.Pointer[dateValue] }

type dateValue struct {
	second int64
	header []string
}

// header gives the value for a time. It must not be changed.
func (d *dates) header(t time.Time) []string {
	second := t.Unix()
	if v := d.last.Load(); v != nil && v.second == second {
		return v.header
	}
	v := &dateValue{second, []string{t.UTC().Format(http.TimeFormat)}}
	d.last.Store(v)
	return v.header
}

// lengths makes values of the Content-Length header, and remembers many: answers to like questions are as long.
type lengths struct {
	known [512]atomic.Pointer[lengthValue]
}

type lengthValue struct {
	n      int
	header []string
}

// header gives the value for a length. It must not be changed.
func (l *lengths) header(n int) []string {
	at := &l.known[n%len(l.known)]
	if v := at.Load(); v != nil && v.n == n {
		return v.header
	}
	v := &lengthValue{n, []string{strconv.Itoa(n)}}
	at.Store(v)
	return v.header
}
