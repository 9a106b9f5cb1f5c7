package scenarios

import (
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// The types of this file are a scenario as written: every value is text with its place, nothing is understood yet.
// The keys are the yaml tags; a doc tag is one sentence for whoever writes the file. An is tag says what kind of text it is
// (see schema.go), and a must tag that it cannot be left out, for editors: the compiler decides. Three kinds of struct:
//
//   - a plain one is a mapping with the keys of its fields, and nothing else
//   - one with a field tagged ",scalar" may also be written as that text alone, or ",list" as that list alone
//   - a Pairs, or a field tagged ",rest", takes whatever keys there are

// Pos is a place in a file; lines and columns count from 1. The zero value means that something was not written.
type Pos struct{ Line, Column int }

// Text is a value as written, whatever it looks like: 0012 stays 0012. The zero value was not written.
type Text struct {
	Text string
	At   Pos
}

// String is the text.
func (t Text) String() string { return t.Text }

// Given says that it was written at all.
func (t Text) Given() bool { return t.At.Line > 0 }

// Matches tells whether the text stands for another: a * for any text, also none, and case does not matter.
func (t Text) Matches(other string) bool { return wild(fold(t.Text), fold(other)) }

// Texts is one text, or a list of them.
type Texts []Text

// Pair is a key that the writer chose, and its value.
type Pair struct{ Key, Value Text }

// Pairs is a mapping whose keys the writer chooses, in the order written.
type Pairs []Pair

// Mark is where a mapping stands; every mapping has one.
type Mark struct {
	At     Pos
	Line   int    // last line
	broken bool   // something in it was not understood, so that what is missing may be that
	text   string // all of it in one form, however it was laid out
}

// File is a whole scenario, as written.
type File struct {
	Mark        `noun:"section"`
	Scenario    Text           `yaml:"scenario" doc:"Name of the scenario."`
	Summary     Text           `yaml:"summary" doc:"One sentence on what it shows."`
	Seed        Text           `yaml:"seed" is:"whole" doc:"Number from which all chance follows; 1 when left out."`
	Clock       *Clock         `yaml:"clock" doc:"When it starts and how time passes."`
	Service     *Service       `yaml:"service" doc:"How the service behaves."`
	Cluster     *ClusterSpec   `yaml:"cluster" doc:"What exists: a ready cluster's name, a file, or nodes, devices and applications."`
	Impairments []*Trouble     `yaml:"impairments" doc:"Standing trouble."`
	Timeline    []*Step        `yaml:"timeline" doc:"What changes."`
	Expect      []*Expectation `yaml:"expect" doc:"What must be true."`

	name   string
	lines  []string
	byHand bool // it is not a whole scenario, and can be about what others have done

	state   *cluster.State // see state.go; nil: there is no section state, or it is wrong
	stateAt Pos            // where that stands
}

// Clock is the clock section.
type Clock struct {
	Mark  `noun:"key of clock"`
	Start Text `yaml:"start" is:"time" doc:"Time at which the scenario starts, such as 2026-03-02T08:00:00Z."`
	Mode  Text `yaml:"mode" is:"mode" doc:"real or manual."`
	Speed Text `yaml:"speed" is:"number" doc:"Simulated seconds in a second of the wall."`
}

// Service is the service section.
type Service struct {
	Mark    `noun:"key of service"`
	Profile Text    `yaml:"profile" is:"profile" doc:"Which edition of the real service to follow."`
	Users   []*User `yaml:"users" doc:"Who may log in."`
	Knobs   Pairs   `yaml:",rest" is:"knobs" doc:"Any knob of the service and its value."`
}

// User is one who may log in.
type User struct {
	Mark     `noun:"key of a user"`
	Name     Text  `yaml:"name" must:"yes" doc:"User name."`
	Password Text  `yaml:"password" doc:"Password."`
	Roles    Texts `yaml:"roles" doc:"What the user may do, such as serviceability."`
}

// ClusterSpec is the cluster section: the name of a ready cluster, a file beginning with ./ or ../, or all of it inline.
type ClusterSpec struct {
	Mark         `noun:"key of cluster"`
	Ready        Text               `yaml:",scalar" doc:"Name of a ready cluster, or a file."`
	Nodes        []*NodeSpec        `yaml:"nodes" doc:"The servers."`
	Devices      []*DeviceGroup     `yaml:"devices" doc:"The devices, in groups."`
	Applications []*ApplicationSpec `yaml:"applications" doc:"CTI applications and what they have open."`
}

// IsFile says that Ready is the path of a file, relative to the scenario's.
func (c *ClusterSpec) IsFile() bool {
	return strings.ContainsAny(c.Ready.Text, `/\`) || strings.HasSuffix(c.Ready.Text, ".yaml") || strings.HasSuffix(c.Ready.Text, ".yml")
}

// NodeSpec is a node of an inline cluster.
type NodeSpec struct {
	Mark     `noun:"key of a node"`
	Name     Text `yaml:"name" must:"yes" doc:"Name of the node."`
	Role     Text `yaml:"role" is:"nodeRole" doc:"publisher or subscriber."`
	Address  Text `yaml:"address" is:"address" doc:"IPv4 address."`
	Address6 Text `yaml:"address6" is:"address" doc:"IPv6 address."`
	State    Text `yaml:"state" is:"nodeState" doc:"up, down, isolated or broken at the start."`
}

// DeviceGroup is a group of devices: of an inline cluster, or to be added by devices.add.
type DeviceGroup struct {
	Mark        `noun:"key of a device group"`
	Group       Text    `yaml:"group" doc:"Name under which where finds the devices."`
	Count       Text    `yaml:"count" is:"whole" doc:"How many."`
	Names       Texts   `yaml:"names" doc:"Their names, instead of count."`
	Macs        *From   `yaml:"macs" is:"mac" doc:"MAC addresses of their names, counted up from the first."`
	Class       Text    `yaml:"class" is:"class" doc:"Device class, such as Phone or SIPTrunk."`
	Model       Text    `yaml:"model" doc:"Model, by name or number."`
	Protocol    Text    `yaml:"protocol" is:"protocol" doc:"SIP, SCCP or Unknown."`
	Lines       *Lines  `yaml:"lines" doc:"Directory numbers."`
	Description Text    `yaml:"description" doc:"Description; {person}, {city}, {name} and {number} are filled in."`
	Homes       Texts   `yaml:"homes" doc:"Nodes with which they register, best first."`
	Status      *Choice `yaml:"status" is:"status" doc:"Status at the start."`
	Reason      Text    `yaml:"reason" is:"reason" doc:"Why those that are not registered are not."`
	Load        Text    `yaml:"load" doc:"Active firmware load."`
	Addresses   *From   `yaml:"addresses" is:"address" doc:"IP addresses, counted up from the first."`
}

// From is the first of values that count up.
type From struct {
	Mark `noun:"key"`
	From Text `yaml:"from" must:"yes" doc:"The first one; the others follow."`
}

// Lines are the directory numbers of a group.
type Lines struct {
	Mark      `noun:"key of lines"`
	From      Text  `yaml:"from" doc:"The first number; the others follow."`
	PerDevice Text  `yaml:"perDevice" is:"whole" doc:"How many lines a device has; 1 when left out."`
	Numbers   Texts `yaml:",list" doc:"The numbers of every device."`
}

// ApplicationSpec is a CTI application of an inline cluster.
type ApplicationSpec struct {
	Mark     `noun:"key of an application"`
	Name     Text      `yaml:"name" must:"yes" doc:"Name of the application."`
	User     Text      `yaml:"user" doc:"The user that it logs in as."`
	Address  Text      `yaml:"address" is:"address" doc:"Its IP address."`
	Instance Text      `yaml:"instance" is:"count0" doc:"Number of its connection."`
	Node     Text      `yaml:"node" must:"yes" doc:"The node with which it is connected."`
	Status   Text      `yaml:"status" is:"ctiStatus" doc:"Open, Closed or OpenFailed at the start."`
	Opens    *OpenSpec `yaml:"opens" doc:"The devices that it has open."`
}

// OpenSpec says which devices an application has open.
type OpenSpec struct {
	Mark  `noun:"key of opens"`
	Group Text  `yaml:"group" doc:"Devices of this group."`
	Names Texts `yaml:"names" doc:"Devices of these names; * stands for any text."`
	Share Text  `yaml:"share" is:"share" doc:"How many of them, such as 10%."`
	Lines Text  `yaml:"lines" is:"truth" doc:"true: their lines too."`
}

// Trigger says when. Exactly one of at, every, after and requests, with modifiers.
type Trigger struct {
	When     Text          `yaml:"at" is:"duration" doc:"Time from the start, such as 5m."`
	Every    Text          `yaml:"every" is:"positive" doc:"Period: again and again, first after one period or at from."`
	After    Text          `yaml:"after" doc:"Id of a step: when that has finished."`
	Requests *RequestCount `yaml:"requests" doc:"When a client has made its n-th matching request."`
	Delay    Text          `yaml:"delay" is:"duration" doc:"With after: how long after it."`
	From     Text          `yaml:"from" is:"duration" doc:"Not before this time from the start."`
	For      Text          `yaml:"for" is:"positive" doc:"How long it lasts."`
	Until    Text          `yaml:"until" is:"duration" doc:"Not after this time from the start."`
	Times    Text          `yaml:"times" is:"whole" doc:"How often at the most."`
	Over     *Spread       `yaml:"over" doc:"Each device draws its own delay."`
}

// RequestCount counts requests of clients: in a trigger, those at which it fires.
type RequestCount struct {
	Mark  `noun:"key of requests"`
	Match *RequestMatch `yaml:"match" doc:"Which requests; all when left out."`
	From  Text          `yaml:"from" is:"whole" doc:"The first that counts, from 1."`
	To    Text          `yaml:"to" is:"whole" doc:"The last that counts."`
	Every Text          `yaml:"every" is:"whole" doc:"Every n-th."`
}

// RequestMatch says which requests. All its keys must hold.
type RequestMatch struct {
	Mark      `noun:"key of match"`
	Operation Texts `yaml:"operation" is:"operation" doc:"Operation, such as selectCmDevice."`
	Node      Texts `yaml:"node" doc:"The node that receives the request."`
	User      Texts `yaml:"user" doc:"The user that makes it, with a wrong password too; * stands for any text."`
	XPath     Text  `yaml:"xpath" doc:"Finds something in the request's XML."`
}

// Spread is a duration: one, or a distribution of them.
type Spread struct {
	Mark    `noun:"key of a distribution"`
	Fixed   Text  `yaml:",scalar" is:"duration" doc:"Always the same, such as 20s."`
	P50     Text  `yaml:"p50" is:"positive" doc:"Half of the draws are shorter."`
	P99     Text  `yaml:"p99" is:"duration" doc:"99 of 100 draws are shorter."`
	Max     Text  `yaml:"max" is:"duration" doc:"None is longer."`
	Uniform Texts `yaml:"uniform" is:"range" doc:"The least and the most; all between are equally likely."`
	Choice  Pairs `yaml:"choice" is:"durations" doc:"Durations and their weights."`
}

// Choice is a word: one, or several with weights.
type Choice struct {
	Mark   `noun:"key of a choice"`
	Fixed  Text  `yaml:",scalar" doc:"Always the same."`
	Choice Pairs `yaml:"choice" doc:"Words and their weights."`
}

// Where selects devices. All its keys must hold; of several values of one key, any.
type Where struct {
	Mark        `noun:"key of where"`
	Group       Texts `yaml:"group" doc:"Group."`
	Name        Texts `yaml:"name" doc:"Name; * stands for any text."`
	Class       Texts `yaml:"class" is:"class" doc:"Device class."`
	Model       Texts `yaml:"model" doc:"Model, by name or number."`
	Status      Texts `yaml:"status" is:"status" doc:"Status of the latest record."`
	Node        Texts `yaml:"node" doc:"Node of the latest record."`
	Protocol    Texts `yaml:"protocol" is:"protocol" doc:"Protocol."`
	Number      Texts `yaml:"number" doc:"A directory number; * stands for any text."`
	Description Texts `yaml:"description" doc:"Description; * stands for any text."`
	Load        Texts `yaml:"load" doc:"Active load; * stands for any text."`
	Download    Texts `yaml:"download" is:"download" doc:"State of the firmware download."`
}

// Pick is which devices an action is about.
type Pick struct {
	Where *Where `yaml:"where" doc:"Which devices; all when left out."`
	Share Text   `yaml:"share" is:"share" doc:"How many of them, such as 30%: each by its own draw."`
	Count Text   `yaml:"count" is:"whole" doc:"How many of them, by number."`
}

// Trouble is an impairment, as written.
type Trouble struct {
	Mark    `noun:"key of an impairment"`
	ID      Text `yaml:"id" is:"id" doc:"Name, for lift and the journal."`
	Trigger `yaml:",inline"`
	Ails    `yaml:",inline"`
}

// Ails is what is wrong, and for whom.
type Ails struct {
	Match         *RequestMatch `yaml:"match" doc:"Which requests; all when left out."`
	Chance        Text          `yaml:"chance" is:"share" doc:"How many of them, such as 2%: each by its own draw."`
	Latency       *Spread       `yaml:"latency" doc:"Answers come later."`
	Dribble       *Dribble      `yaml:"dribble" doc:"Answers come slowly, a few bytes at a time."`
	Reset         *Cut          `yaml:"reset" doc:"The connection is reset within the answer."`
	Truncate      *Cut          `yaml:"truncate" doc:"The answer ends early."`
	Status        Text          `yaml:"status" is:"httpStatus" doc:"HTTP status instead of an answer, such as 503."`
	Fault         *FaultSpec    `yaml:"fault" doc:"SOAP fault instead of an answer."`
	Malformed     Text          `yaml:"malformed" is:"truth" doc:"true: the answer is not well-formed XML."`
	Stall         Text          `yaml:"stall" is:"positive" doc:"Nothing comes for this long, then the connection closes."`
	Refuse        Text          `yaml:"refuse" is:"truth" doc:"true: connections are refused."`
	TLS           Text          `yaml:"tls" is:"tls" doc:"Trouble with the certificate: expired or wrongName."`
	ExpireSession Text          `yaml:"expireSession" is:"truth" doc:"true: the client's session has expired."`
}

// Dribble is a slow answer.
type Dribble struct {
	Mark  `noun:"key of dribble"`
	Bytes Text `yaml:"bytes" is:"whole" must:"yes" doc:"How many bytes at a time."`
	Every Text `yaml:"every" is:"positive" must:"yes" doc:"How often."`
}

// Cut is where an answer ends.
type Cut struct {
	Mark       `noun:"key"`
	AfterBytes Text `yaml:"afterBytes" is:"count0" must:"yes" doc:"After how many bytes of the body."`
}

// FaultSpec is a SOAP fault: by name, or by code and text.
type FaultSpec struct {
	Mark `noun:"key of fault"`
	Name Text `yaml:",scalar" is:"fault" doc:"Name of a fault, such as rateLimit."`
	Code Text `yaml:"code" doc:"The faultcode."`
	Text Text `yaml:"text" doc:"The faultstring."`
}

// Step is an entry of the timeline, as written.
type Step struct {
	Mark    `noun:"key of a step"`
	ID      Text `yaml:"id" is:"id" doc:"Name, for after, lift and the journal."`
	Trigger `yaml:",inline"`
	Do      *Action `yaml:"do" must:"yes" doc:"What happens: one action."`
}

// Action holds one action, as written: exactly one of its keys is given.
type Action struct {
	Mark                     `noun:"action"`
	NodeStop                 *NodeAction    `yaml:"node.stop" doc:"The node goes down."`
	NodeStart                *NodeAction    `yaml:"node.start" doc:"The node answers again, whatever kept it from that."`
	NodeIsolate              *NodeAction    `yaml:"node.isolate" doc:"The node is cut off from the others; its devices stay."`
	NodeRestartRis           *NodeAction    `yaml:"node.restartRis" doc:"The node's RIS forgets everything and counts from the start."`
	NodeBreakRis             *NodeAction    `yaml:"node.breakRis" doc:"The node answers InternalError until node.start."`
	DevicesRegister          *DevicesAction `yaml:"devices.register" doc:"Devices register."`
	DevicesUnregister        *DevicesAction `yaml:"devices.unregister" doc:"Devices are gone."`
	DevicesReject            *DevicesAction `yaml:"devices.reject" doc:"A node refuses devices."`
	DevicesPartiallyRegister *DevicesAction `yaml:"devices.partiallyRegister" doc:"Devices register without some of their lines."`
	DevicesFailover          *DevicesAction `yaml:"devices.failover" doc:"Devices move to the next of their homes."`
	DevicesFallback          *DevicesAction `yaml:"devices.fallback" doc:"Devices move back to the best of their homes."`
	DevicesBounce            *DevicesAction `yaml:"devices.bounce" doc:"Devices are gone for a while, then register again."`
	DevicesReaddress         *DevicesAction `yaml:"devices.readdress" doc:"Devices get addresses of another network."`
	DevicesLogin             *DevicesAction `yaml:"devices.login" doc:"Extension Mobility users log in."`
	DevicesLogout            *DevicesAction `yaml:"devices.logout" doc:"Extension Mobility users log out."`
	DevicesSet               *DevicesAction `yaml:"devices.set" doc:"Devices are configured anew."`
	DevicesAdd               *DeviceGroup   `yaml:"devices.add" doc:"New devices."`
	DevicesRemove            *DevicesAction `yaml:"devices.remove" doc:"Devices are deleted."`
	Churn                    *DevicesAction `yaml:"churn" doc:"Devices go and come back at a steady rate."`
	FirmwareUpgrade          *DevicesAction `yaml:"firmware.upgrade" doc:"Devices download another load, reset, and run it."`
	CtiOpen                  *CtiAction     `yaml:"cti.open" doc:"An application connects."`
	CtiClose                 *CtiAction     `yaml:"cti.close" doc:"An application's connections end."`
	CtiFail                  *CtiAction     `yaml:"cti.fail" doc:"An application's connections are OpenFailed."`
	CtiOpenDevices           *CtiAction     `yaml:"cti.openDevices" doc:"An application opens devices."`
	CtiCloseDevices          *CtiAction     `yaml:"cti.closeDevices" doc:"An application closes devices."`
	ServiceSet               *Pairs         `yaml:"service.set" doc:"Knobs of the service get other values."`
	UserSet                  *User          `yaml:"user.set" doc:"A user gets another password or other roles, or is new."`
	UserRemove               *UserAction    `yaml:"user.remove" doc:"A user can no longer log in."`
	Impair                   *Impair        `yaml:"impair" doc:"Trouble begins; for says how long it lasts."`
	Lift                     *Lift          `yaml:"lift" doc:"Trouble ends."`
	Log                      *LogAction     `yaml:"log" doc:"A line in the journal."`
	Check                    *Check         `yaml:"check" doc:"Something must be true at this moment."`
}

// NodeAction names a node.
type NodeAction struct {
	Mark `noun:"key of a node action"`
	Node Text `yaml:",scalar" doc:"The node."`
}

// DevicesAction has the keys of all actions on devices; which of them an action takes is decided when it is compiled.
type DevicesAction struct {
	Mark        `noun:"key"`
	Pick        `yaml:",inline"`
	Node        Text    `yaml:"node" doc:"The node; the one that you would expect when left out."`
	From        Text    `yaml:"from" doc:"Only devices that are registered with this node."`
	To          Text    `yaml:"to" doc:"The node that takes over, or for readdress the network, such as 10.99.0.0/16."`
	Reason      Text    `yaml:"reason" is:"reason" doc:"Why, by name or number."`
	Without     Texts   `yaml:"without" doc:"The lines that do not register; the last one when left out."`
	Away        *Spread `yaml:"away" doc:"How long a device is gone; 40s when left out."`
	User        Text    `yaml:"user" doc:"The user; {device} and {number} are filled in."`
	Lines       Texts   `yaml:"lines" doc:"The lines; for login {number}, the device's own first one, is filled in."`
	Description Text    `yaml:"description" doc:"The new description; {device} and {number} are filled in."`
	Homes       Texts   `yaml:"homes" doc:"The new homes, best first."`
	Rate        Text    `yaml:"rate" is:"rate" doc:"How many devices in a time, such as 20/min."`
	Load        Text    `yaml:"load" doc:"The load."`
	Server      Text    `yaml:"server" doc:"Where the load comes from."`
	Takes       *Spread `yaml:"takes" doc:"How long the download takes; 4m when left out."`
	Outcome     *Choice `yaml:"outcome" is:"outcome" doc:"Successful or Failed; Successful when left out."`
	Failure     Text    `yaml:"failure" doc:"Why downloads that fail do."`
}

// CtiAction has the keys of all actions on CTI applications.
type CtiAction struct {
	Mark        `noun:"key"`
	Pick        `yaml:",inline"`
	Application Text `yaml:",scalar" doc:"The application, by name or AppId."`
	Node        Text `yaml:"node" doc:"Its connection with this node only."`
	Reason      Text `yaml:"reason" is:"count0" doc:"Why, as a number."`
	User        Text `yaml:"user" doc:"For a new connection: the user."`
	Address     Text `yaml:"address" is:"address" doc:"For a new connection: the application's address."`
	Instance    Text `yaml:"instance" is:"count0" doc:"For a new connection: its number."`
}

// UserAction names a user.
type UserAction struct {
	Mark `noun:"key of a user action"`
	Name Text `yaml:",scalar" doc:"Name of the user."`
}

// Impair is trouble that begins with a step.
type Impair struct {
	Mark     `noun:"key of impair"`
	Requests *RequestCount `yaml:"requests" doc:"Only the requests that are counted here, from when it begins."`
	Ails     `yaml:",inline"`
}

// Lift names the trouble that ends.
type Lift struct {
	Mark `noun:"key of lift"`
	ID   Text `yaml:",scalar" doc:"Id of an impairment, or of a step with impair."`
}

// LogAction is a line for the journal.
type LogAction struct {
	Mark `noun:"key of log"`
	Text Text `yaml:",scalar" doc:"The line."`
}

// Expectation is an entry of expect, as written.
type Expectation struct {
	Mark    `noun:"key of an expectation"`
	ID      Text `yaml:"id" is:"id" doc:"Name, for the verdict."`
	Timing  `yaml:",inline"`
	Clauses `yaml:",inline"`
}

// Timing says when something must be true.
type Timing struct {
	When   Text `yaml:"at" is:"duration" doc:"At this time from the start."`
	After  Text `yaml:"after" doc:"When this step has finished."`
	Delay  Text `yaml:"delay" is:"duration" doc:"With after: how long after it."`
	Within Text `yaml:"within" is:"positive" doc:"At some time from then on, before this long has passed."`
	For    Text `yaml:"for" is:"positive" doc:"All the time from then on, for this long."`
	From   Text `yaml:"from" is:"duration" doc:"All the time from this time from the start on."`
	Until  Text `yaml:"until" is:"duration" doc:"All the time up to this time from the start."`
}

// Check is an expectation of the very moment.
type Check struct {
	Mark    `noun:"key of check"`
	Clauses `yaml:",inline"`
}

// Clauses is what must be true: exactly one of its keys is given.
type Clauses struct {
	Devices  *DevicesClause  `yaml:"devices" doc:"How many devices there are of a kind."`
	Requests *RequestsClause `yaml:"requests" doc:"How many requests were made."`
	Faults   *FaultsClause   `yaml:"faults" doc:"How many SOAP faults were answered."`
	Advice   *AdviceClause   `yaml:"advice" doc:"Which advice clients earned."`
}

// DevicesClause counts devices.
type DevicesClause struct {
	Mark  `noun:"key of devices"`
	Where *Where `yaml:"where" doc:"Which devices; all when left out."`
	Count Text   `yaml:"count" is:"comparison" must:"yes" doc:"How many, such as 0, >= 2990 or 5..10."`
}

// RequestsClause counts requests.
type RequestsClause struct {
	Mark   `noun:"key of requests"`
	Match  *RequestMatch `yaml:"match" doc:"Which requests; all when left out."`
	Fault  Text          `yaml:"fault" is:"fault" doc:"Only those answered with this fault."`
	Status Text          `yaml:"status" is:"httpStatus" doc:"Only those answered with this HTTP status."`
	Count  Text          `yaml:"count" is:"comparison" must:"yes" doc:"How many, such as 0, >= 3 or 5..10."`
}

// FaultsClause counts faults.
type FaultsClause struct {
	Mark  `noun:"key of faults"`
	Match *RequestMatch `yaml:"match" doc:"Of which requests; all when left out."`
	None  Texts         `yaml:"none" is:"faults" doc:"None of these; * stands for any text."`
	Some  Texts         `yaml:"some" is:"faults" doc:"Each of these at least once."`
	Count Text          `yaml:"count" is:"comparison" doc:"How many of any kind."`
}

// AdviceClause is about advice.
type AdviceClause struct {
	Mark  `noun:"key of advice"`
	Match *RequestMatch `yaml:"match" doc:"On which requests; all when left out."`
	None  Texts         `yaml:"none" is:"advice" doc:"None of these; * stands for any text."`
	Some  Texts         `yaml:"some" is:"advice" doc:"Each of these at least once."`
	Count Text          `yaml:"count" is:"comparison" doc:"How many of any kind."`
}
