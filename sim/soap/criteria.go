package soap

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// query is a request with its values understood: what to ask a snapshot. One of the two is meant, by op.
type query struct {
	op     Operation
	limit  int // results at the most
	node   string
	device cluster.DeviceQuery
	cti    cluster.CtiQuery
}

// bounded says that no more can match than the limit lets through: exact names, each with one record at the most.
func (q *query) bounded() bool {
	d := &q.device
	return d.Newest && d.Literal && d.By == cluster.ByName && !isAll(d.Items) && len(d.Items) <= q.limit
}

// translator turns a Request's texts into a query. It keeps the first fault and every advice.
type translator struct {
	req    *Request
	set    *Settings
	known  func(model uint32) bool // whether a model number exists; nil means that all do
	advice []Advice                // lengthened
	fault  *Fault
	room   []string // lengthened by the lists of the query
}

// translate applies the rules about values to a request: sections Q and C, W5, and N6 for what StateInfo says of
// itself.
func (t *translator) translate() query {
	req := t.req
	if req.OutOfOrder != "" {
		t.advise(AdviceOutOfOrder, quoted(req.OutOfOrder))
	}
	if req.Unknown != "" {
		t.advise(AdviceUnknownElement, quoted(req.Unknown))
	}
	q := query{op: req.Op, limit: t.limit(), node: req.NodeName.Value}
	if req.Op == SelectCtiItem {
		q.cti = t.cti(q)
	} else {
		q.device = t.device(q)
	}
	return q
}

func (t *translator) advise(id string, value ...any) {
	t.advice = append(t.advice, advise(id, value...))
}

func (t *translator) refuse(format string, args ...any) {
	if t.fault == nil {
		t.fault = badValue(fmt.Sprintf(format, args...))
	}
}

// device is sections Q and W of the rules.
func (t *translator) device(q query) cluster.DeviceQuery {
	req := t.req
	d := cluster.DeviceQuery{
		Limit:    q.limit,
		CountAll: t.set.revealTruncation,
		Node:     q.node,
		Newest:   req.Op == SelectCmDeviceExt,
		Since:    t.since(),
		PerNode:  t.set.noChange == "per-node",
	}
	var ok bool
	if d.Class, ok = cluster.ParseClass(req.Class.Value); !ok && req.Class.Value != "" {
		d.Nothing = true
		t.advise(AdviceUnknownClass, quoted(req.Class.Value))
	}
	if d.Status, ok = cluster.ParseStatus(req.Status.Value); !ok && req.Status.Value != "" {
		d.Nothing = true
		t.advise(AdviceUnknownStatus, quoted(req.Status.Value))
	}
	d.Model = t.model()
	d.Protocol = choose(t, "Protocol", req.Protocol, cluster.ParseProtocol, cluster.ProtocolNames())
	d.Download = choose(t, "DownloadStatus", req.DownloadStatus, cluster.ParseDownload, cluster.DownloadNames())
	d.Items = t.items(req.Items)
	d.By = t.selectBy(d.Items)
	t.checkItems(d.By, d.Items)
	if d.Newest {
		d.Literal = t.set.extWildcard != "accept"
		t.checkExt(d.Items)
	}
	return d
}

// cti is section C of the rules.
func (t *translator) cti(q query) cluster.CtiQuery {
	req := t.req
	c := cluster.CtiQuery{
		Limit:    q.limit,
		CountAll: t.set.revealTruncation,
		Node:     q.node,
		Since:    t.since(),
		PerNode:  t.set.noChange == "per-node",
	}
	c.Class = choose(t, "CtiMgrClass", req.Class, cluster.ParseCtiClass, cluster.CtiClassNames())
	if req.Class.Value == "" {
		t.advise(AdviceNoCtiClass, c.Class)
	}
	c.Status = choose(t, "Status", req.Status, cluster.ParseCtiStatus, cluster.CtiStatusNames())
	c.By = choose(t, "SelectAppBy", req.SelectBy, cluster.ParseSelectAppBy, cluster.SelectAppByNames())
	c.Apps, c.DevNames, c.Numbers = t.texts(req.Items), t.texts(req.DevNames), t.texts(req.DirNumbers)
	if req.SelectBy.Value == "" && !isAll(c.Apps) {
		t.advise(AdviceNoSelectBy, c.By)
	}
	if c.Class == cluster.Provider && !isAll(c.DevNames) {
		t.advise(AdviceDevNamesIgnored, c.Class)
	}
	if c.Class != cluster.CtiLines && !isAll(c.Numbers) {
		t.advise(AdviceDirNumbersIgnored, c.Class)
	}
	for _, list := range [][]string{c.Apps, c.DevNames, c.Numbers} {
		t.checkCommas(list)
	}
	switch c.By {
	case cluster.ByAppIPv4:
		t.checkAddresses(c.Apps, netip.Addr.Is4)
	case cluster.ByAppIPv6:
		t.checkAddresses(c.Apps, netip.Addr.Is6)
	}
	return c
}

// limit is rule Q1: nothing and 0 mean the service's limit, and more than that is lowered to it.
func (t *translator) limit() int {
	element := "MaxReturnedDevices"
	if t.req.Op == SelectCtiItem {
		element = "MaxReturnedItems"
	}
	n, ok := t.number(t.req.Max, element)
	if !ok || n == 0 {
		return t.set.maxReturned
	}
	if int64(n) > int64(t.set.maxReturned) {
		t.advise(AdviceAboveLimit, n)
		return t.set.maxReturned
	}
	return int(n)
}

// model is rule Q5.
func (t *translator) model() uint32 {
	n, ok := t.number(t.req.Model, "Model")
	if !ok || n == cluster.AnyModel {
		return 0
	}
	if n != 0 && t.known != nil && !t.known(n) {
		t.advise(AdviceUnknownModel, n)
	}
	return n
}

// number reads an unsigned 32-bit integer; false means that there is none. Anything else is a fault.
func (t *translator) number(text Text, element string) (uint32, bool) {
	if text.Value == "" {
		return 0, false
	}
	// The contract's type allows a plus sign.
	n, err := strconv.ParseUint(strings.TrimPrefix(text.Value, "+"), 10, 32)
	if err != nil {
		t.refuse("%s %q is not a whole number from 0 to 4294967295", element, clip(text.Value))
		return 0, false
	}
	return uint32(n), true
}

// choose reads a value of an enumeration; nothing gives the zero value, and a value outside is a fault that names the
// allowed ones (rules Q6, Q7, C1, C3 and C5). An enumeration's values are spelled in one way only.
func choose[E fmt.Stringer](t *translator, element string, text Text, parse func(string) (E, bool), names []string) E {
	e, ok := parse(text.Value)
	if text.Value != "" && (!ok || e.String() != text.Value) {
		t.refuse("%s %q is not one of %s", element, clip(text.Value), strings.Join(names, ", "))
	}
	return e
}

// selectBy is rule Q7.
func (t *translator) selectBy(items []string) cluster.SelectBy {
	text := t.req.SelectBy
	if strings.EqualFold(text.Value, "SIPStatus") {
		t.refuse("SelectBy %q stands in an edition of the reference but not in the contract, which has %s",
			text.Value, strings.Join(cluster.SelectByNames(), ", "))
	}
	if text.Value == "" && !isAll(items) {
		t.advise(AdviceNoSelectBy, cluster.ByName)
	}
	return choose(t, "SelectBy", text, cluster.ParseSelectBy, cluster.SelectByNames())
}

// items is rule Q9: nothing to select by means everything.
func (t *translator) items(list []Text) []string {
	items := t.texts(list)
	if isAll(items) {
		t.advise(AdviceEmptyItem)
	}
	return items
}

// checkItems advises on items that will not do what they look like.
func (t *translator) checkItems(by cluster.SelectBy, items []string) {
	switch by {
	case cluster.ByIPv4:
		t.checkAddresses(items, netip.Addr.Is4)
	case cluster.ByIPv6:
		t.checkAddresses(items, netip.Addr.Is6)
	}
	if by != cluster.ByDescription { // which may well hold a comma
		t.checkCommas(items)
	}
}

func (t *translator) checkCommas(items []string) {
	for _, item := range items {
		if strings.Contains(item, ",") {
			t.advise(AdviceComma, quoted(item))
			return
		}
	}
}

func (t *translator) checkAddresses(items []string, right func(netip.Addr) bool) {
	for _, item := range items {
		if a, err := netip.ParseAddr(item); item != "" && !strings.Contains(item, "*") && (err != nil || !right(a.Unmap())) {
			t.advise(AdviceNotAnAddress, quoted(item))
			return
		}
	}
}

// checkExt is rule W5.
func (t *translator) checkExt(items []string) {
	for _, item := range items {
		if !strings.Contains(item, "*") {
			continue
		}
		t.advise(AdviceExtWildcard, quoted(item))
		if t.set.extWildcard == "fault" {
			t.refuse("Item %q: selectCmDeviceExt does not take the wildcard *", clip(item))
		}
		return
	}
}

// since is rule N6, as far as the text itself shows it.
func (t *translator) since() []cluster.Mark {
	marks, err := parseStateInfo(t.req.StateInfo)
	if err != nil {
		t.advise(AdviceStateInfoBad, err)
	}
	return marks
}

func (t *translator) texts(list []Text) []string {
	if len(list) == 0 {
		return nil
	}
	from := len(t.room)
	for i := range list {
		t.room = append(t.room, list[i].Value)
	}
	return slices.Clip(t.room[from:])
}

// isAll says that items select everything: there are none, or one of them is empty.
func isAll(items []string) bool {
	for _, item := range items {
		if item == "" {
			return true
		}
	}
	return len(items) == 0
}
