package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The life of a device (rules V1-V4) as changes. Each names a device; where one takes a node, an empty one means
// "where you would expect": the node of the device's latest record, or for registering the first of its homes that is Up.

// Register registers a device with a node (rule V1): status Registered, no reason, time stamp now, all its lines
// Registered. It keeps the address, the loads and a logged-in user's lines of its latest record. A node that answers and
// on which the device still was registered now has it UnRegistered, DeviceUnregistered.
type Register struct {
	Device     DeviceName
	Node       NodeName   // empty: the first of the device's homes that is Up
	IPv4, IPv6 netip.Addr // the zero Addr: as before
	Load       string     // ActiveLoadID; empty: as before
}

func (c Register) apply(t *tx) error {
	slot, err := t.slot(c.Device)
	if err != nil {
		return err
	}
	node, err := t.home(slot, c.Node, -1)
	if err != nil {
		return err
	}
	t.takeFromOthers(slot, node)
	t.join(slot, node, func(r *Record) {
		if c.IPv4.IsValid() {
			r.IPv4 = c.IPv4
		}
		if c.IPv6.IsValid() {
			r.IPv6 = c.IPv6
		}
		if c.Load != "" {
			r.ActiveLoad = c.Load
		}
	})
	return nil
}

// Unregister makes a device's record UnRegistered with a reason; the zero Reason is ReasonUnknown (rule R8).
type Unregister struct {
	Device DeviceName
	Node   NodeName // empty: the node of the latest record
	Reason Reason
}

func (c Unregister) apply(t *tx) error {
	slot, h, err := t.latest(c.Device, c.Node)
	if err != nil {
		return err
	}
	t.leave(slot, h, UnRegistered, c.Reason)
	return nil
}

// Reject makes a node refuse a device: Rejected with a reason of the registration-failure table, and one more
// RegistrationAttempt (rules R8 and V1). Where it still was registered it is no more, as in Register. The zero Reason is
// ReasonUnknown.
type Reject struct {
	Device DeviceName
	Node   NodeName // empty: the first of the device's homes that is Up
	Reason Reason
}

func (c Reject) apply(t *tx) error {
	slot, err := t.slot(c.Device)
	if err != nil {
		return err
	}
	node, err := t.home(slot, c.Node, -1)
	if err != nil {
		return err
	}
	r := t.draft(slot)
	attempts, _ := r.Attempts.Get()
	if r.Status.connected() {
		attempts = 0 // the last round of attempts ended well
	}
	r.Attempts = Some(attempts + 1)
	t.takeFromOthers(slot, node)
	t.down(&r, Rejected, c.Reason)
	r.TimeStamp = t.later(slot, node)
	t.set(slot, node, &r)
	return nil
}

// PartiallyRegister registers a device with some of its lines only (rule V1), and otherwise as Register does.
type PartiallyRegister struct {
	Device DeviceName
	Node   NodeName // as in Register
	Down   []string // numbers of the lines that stay UnRegistered; none means the last line
}

func (c PartiallyRegister) apply(t *tx) error {
	slot, err := t.slot(c.Device)
	if err != nil {
		return err
	}
	node, err := t.home(slot, c.Node, -1)
	if err != nil {
		return err
	}
	t.takeFromOthers(slot, node)
	r := t.draft(slot)
	t.up(slot, node, &r)
	down := c.Down
	if len(down) == 0 && len(r.Lines) > 0 {
		down = []string{r.Lines[len(r.Lines)-1].Number}
	}
	for _, dn := range down {
		i := slices.IndexFunc(r.Lines, func(l Line) bool { return number(l.Number) == number(dn) })
		if i < 0 {
			return fmt.Errorf("device %q has no line %q", c.Device, dn)
		}
		r.Lines[i].Status = UnRegistered
	}
	r.Status = PartiallyRegistered
	return t.put(slot, node, r)
}

// Failover moves a device to another node (rule V2): the record on the node that it leaves becomes UnRegistered with
// a reason, and the node that takes over gets a Registered one with a later time stamp. The older record stays.
type Failover struct {
	Device DeviceName
	To     NodeName // empty: the first of its homes that is Up, other than the one it leaves
	Reason Reason   // of leaving; zero: KeepAliveTimeout
}

func (c Failover) apply(t *tx) error {
	if c.Reason == NoReason {
		c.Reason = KeepAliveTimeout
	}
	return t.move(c.Device, c.To, c.Reason, true)
}

// Fallback moves a device back to the best of its homes that is Up (rule V2). A device that is registered there already
// stays as it is.
type Fallback struct {
	Device DeviceName
	Reason Reason // of leaving; zero: FallbackInitiated
}

func (c Fallback) apply(t *tx) error {
	if c.Reason == NoReason {
		c.Reason = FallbackInitiated
	}
	return t.move(c.Device, "", c.Reason, false)
}

func (t *tx) move(device DeviceName, to NodeName, reason Reason, away bool) error {
	slot, h, err := t.latest(device, "")
	if err != nil {
		return err
	}
	avoid := -1
	if away {
		avoid = h.node
	}
	node, err := t.home(slot, to, avoid)
	if err != nil {
		return err
	}
	if node == h.node {
		if away {
			return fmt.Errorf("device %q is on node %q already", device, t.s.nodes[node].Name)
		}
		if h.Status == Registered {
			return nil
		}
	}
	if h.node != node && h.Status.connected() {
		t.leave(slot, h, UnRegistered, reason)
	}
	t.join(slot, node, func(*Record) {})
	return nil
}

// Readdress gives a registered device other addresses; it registers again with the same node at once, as a phone
// does whose address changed. The zero Addr leaves an address as it is.
type Readdress struct {
	Device     DeviceName
	IPv4, IPv6 netip.Addr
}

func (c Readdress) apply(t *tx) error {
	slot, h, err := t.connected(c.Device)
	if err != nil {
		return err
	}
	r := h.Record
	if c.IPv4.IsValid() {
		r.IPv4 = c.IPv4
	}
	if c.IPv6.IsValid() {
		r.IPv6 = c.IPv6
	}
	r.TimeStamp = t.now
	return t.put(slot, h.node, r)
}

// Login logs an Extension Mobility user in: LoginUserId is set, the device registers again, and its lines become the
// user's (rule V4).
type Login struct {
	Device DeviceName
	User   string
	Lines  []string // none: the device keeps its own lines
}

func (c Login) apply(t *tx) error {
	if c.User == "" {
		return fmt.Errorf("device %q: login without a user", c.Device)
	}
	slot, h, err := t.connected(c.Device)
	if err != nil {
		return err
	}
	r := h.Record
	r.LoginUser = c.User
	if len(c.Lines) > 0 {
		r.Lines = lines(c.Lines, Registered)
	}
	r.Status, r.Reason, r.TimeStamp = Registered, NoReason, t.now
	restate(r.Lines, Registered)
	return t.put(slot, h.node, r)
}

// Logout logs the Extension Mobility user out: the device registers again with its own lines (rule V4).
type Logout struct{ Device DeviceName }

func (c Logout) apply(t *tx) error {
	slot, h, err := t.connected(c.Device)
	if err != nil {
		return err
	}
	if h.LoginUser == "" {
		return fmt.Errorf("device %q: nobody is logged in", c.Device)
	}
	r := h.Record
	r.LoginUser = ""
	r.Status, r.Reason, r.TimeStamp = Registered, NoReason, t.now
	r.Lines = t.lines(slot)
	return t.put(slot, h.node, r)
}

// BeginDownload starts a firmware download (rule V3): Upgrading, with the server, and the new load inactive.
type BeginDownload struct {
	Device       DeviceName
	Load, Server string
}

func (c BeginDownload) apply(t *tx) error {
	slot, h, err := t.connected(c.Device)
	if err != nil {
		return err
	}
	if c.Load == "" {
		return fmt.Errorf("device %q: download of no load", c.Device)
	}
	r := h.Record
	r.Download, r.InactiveLoad, r.DownloadServer, r.DownloadFailure = Upgrading, c.Load, c.Server, ""
	return t.put(slot, h.node, r)
}

// EndDownload ends a firmware download that is Upgrading: Successful when Failure is empty, otherwise Failed with
// that as DownloadFailureReason; ActiveLoadID stays as it is (rule V3).
type EndDownload struct {
	Device  DeviceName
	Failure string
}

func (c EndDownload) apply(t *tx) error {
	slot, h, err := t.latest(c.Device, "")
	if err != nil {
		return err
	}
	if h.Download != Upgrading {
		return fmt.Errorf("device %q is not downloading: %s", c.Device, h.Download)
	}
	r := h.Record
	r.Download, r.DownloadFailure = Successful, c.Failure
	if c.Failure != "" {
		r.Download = Failed
	}
	return t.put(slot, h.node, r)
}

// ActivateLoad is the registration after the reset that follows a Successful download: Registered again, ActiveLoadID
// and InactiveLoadID exchanged (rule V3).
type ActivateLoad struct {
	Device DeviceName
	Node   NodeName // as in Register
}

func (c ActivateLoad) apply(t *tx) error {
	_, h, err := t.latest(c.Device, "")
	if err != nil {
		return err
	}
	if h.Download != Successful || h.InactiveLoad == "" {
		return fmt.Errorf("device %q has no downloaded load to activate", c.Device)
	}
	slot, _ := t.slot(c.Device)
	node, err := t.home(slot, c.Node, -1)
	if err != nil {
		return err
	}
	t.join(slot, node, func(r *Record) { r.ActiveLoad, r.InactiveLoad = h.InactiveLoad, h.ActiveLoad })
	return nil
}

// connected says that a record's device is there: registered, with all of its lines or some.
func (s Status) connected() bool { return s == Registered || s == PartiallyRegistered }

// home gives the node with which a device is to register: the one named, or the first of its homes that is Up and
// not the one to avoid, or, for a device without homes, the node of its latest record.
func (t *tx) home(slot int, name NodeName, avoid int) (int, error) {
	if name != "" {
		return t.node(name)
	}
	homes := t.s.deviceAt(slot).homes()
	if len(homes) == 0 {
		if h := t.latestOf(slot); h != nil {
			homes = []NodeName{t.s.nodes[h.node].Name}
		}
	}
	for _, name := range homes {
		node, err := t.node(name)
		if err != nil {
			return 0, err
		}
		if node != avoid && t.s.nodes[node].state != Down && t.s.nodes[node].state != Isolated {
			return node, nil
		}
	}
	return 0, fmt.Errorf("device %q has no home that is up (homes: %s)", t.s.name(slot), join(homes))
}

func join(names []NodeName) string {
	if len(names) == 0 {
		return "none"
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return strings.Join(out, ", ")
}

// held is a record, and the node that keeps it.
type held struct {
	Record
	node int
}

// held gives the node's record of a device, nil when there is none. It is a copy.
func (t *tx) held(slot, node int) *held {
	b, i := t.s.at(slot)
	r := on(b.chain(i), node)
	if r == nil {
		return nil
	}
	h := &held{node: node}
	b.unpack(i, r, &h.Record, nil)
	return h
}

// latestOf gives the record of the latest registration whether or not its node answers, nil when there is none.
func (t *tx) latestOf(slot int) *held {
	chain := t.s.chain(slot)
	if len(chain) == 0 {
		return nil
	}
	best := &chain[0]
	for i := range chain[1:] {
		if r := &chain[1+i]; r.later(best) {
			best = r
		}
	}
	return t.held(slot, int(best.node))
}

// latest finds the record that a change is about.
func (t *tx) latest(device DeviceName, node NodeName) (int, *held, error) {
	slot, err := t.slot(device)
	if err != nil {
		return 0, nil, err
	}
	if node == "" {
		if h := t.latestOf(slot); h != nil {
			return slot, h, nil
		}
		return 0, nil, fmt.Errorf("device %q has never registered with any node", device)
	}
	n, err := t.node(node)
	if err != nil {
		return 0, nil, fmt.Errorf("device %q: %w", device, err)
	}
	if h := t.held(slot, n); h != nil {
		return slot, h, nil
	}
	return 0, nil, fmt.Errorf("device %q has no record on node %q", device, node)
}

func (t *tx) connected(device DeviceName) (int, *held, error) {
	slot, h, err := t.latest(device, "")
	if err == nil && !h.Status.connected() {
		err = fmt.Errorf("device %q is not registered: %s on node %q", device, h.Status, t.s.nodes[h.node].Name)
	}
	return slot, h, err
}

// draft is a record of the device for a node to be changed: what the latest record knows.
func (t *tx) draft(slot int) Record {
	if h := t.latestOf(slot); h != nil {
		return h.Record
	}
	return Record{Attempts: Some(0), Download: UnknownDownload}
}

// join registers a device with a node, after edit has had its say.
func (t *tx) join(slot, node int, edit func(*Record)) {
	r := t.draft(slot)
	edit(&r)
	t.up(slot, node, &r)
	t.set(slot, node, &r)
}

// takeFromOthers ends a device's registrations with other nodes: it is with one node at a time. A node that does not
// answer keeps its record, for it does not hear of it.
func (t *tx) takeFromOthers(slot, node int) {
	b, i := t.s.at(slot)
	for _, r := range slices.Clone(b.chain(i)) {
		if int(r.node) != node && r.status.connected() && t.s.nodes[r.node].state == Up {
			t.leave(slot, t.held(slot, int(r.node)), UnRegistered, DeviceUnregistered)
		}
	}
}

// later is the time stamp of a node's new record of a device: now, but later than what other nodes have of it that is
// over (rule V2). Moves within one second take it ahead of the clock by a second each.
func (t *tx) later(slot, node int) int64 {
	stamp := t.now
	for _, r := range t.s.chain(slot) {
		if int(r.node) != node && !r.status.connected() {
			stamp = max(stamp, r.stamp+1)
		}
	}
	return stamp
}

// up makes a record of the node Registered.
func (t *tx) up(slot, node int, r *Record) {
	r.Status, r.Reason, r.TimeStamp = Registered, NoReason, t.later(slot, node)
	if r.LoginUser == "" {
		r.Lines = t.lines(slot)
	} else {
		restate(r.Lines, Registered)
	}
}

// leave makes a record say that the device is gone.
func (t *tx) leave(slot int, h *held, status Status, reason Reason) {
	r := h.Record
	t.down(&r, status, reason)
	t.set(slot, h.node, &r)
}

func (t *tx) down(r *Record, status Status, reason Reason) {
	if reason == NoReason {
		reason = ReasonUnknown
	}
	r.Status, r.Reason, r.TimeStamp = status, reason, t.now
	lineStatus := UnRegistered
	if status == Rejected {
		lineStatus = Rejected
	}
	restate(r.Lines, lineStatus)
}

// put is set after the checks that records from outside get.
func (t *tx) put(slot, node int, r Record) error {
	var c complaints
	checkRecord(&c, t.s.name(slot), t.s.nodes[node].Name, &r)
	if err := c.err(); err != nil {
		return err
	}
	t.set(slot, node, &r)
	return nil
}

func lines(numbers []string, status Status) []Line {
	if len(numbers) == 0 {
		return nil
	}
	out := make([]Line, len(numbers))
	for i, n := range numbers {
		out[i] = Line{n, status}
	}
	return out
}

// lines are the configured lines of a device, all Registered.
func (t *tx) lines(slot int) []Line {
	list, _ := t.s.deviceAt(slot).numbers()
	return list.as(Registered)
}

// restate gives lines another status. They must be the caller's own.
func restate(lines []Line, status Status) {
	for i := range lines {
		lines[i].Status = status
	}
}
