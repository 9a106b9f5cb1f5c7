package soap

import (
	"fmt"
	"strings"
)

// Advice is a remark on what a client did: something that works here or may work, and will hurt elsewhere. It never
// changes the answer (section J of the rules).
type Advice struct {
	ID   string // stable: one of the Advice constants
	Text string // one sentence; on an Exchange it names the offending value
	Rule string // the rule of behaviour that the client has met
	Fix  string // what to do instead
}

// The advice that a single exchange shows.
const (
	AdviceSOAPActionMissing  = "soap-action-missing"
	AdviceSOAPActionMismatch = "soap-action-mismatch"
	AdviceOutOfOrder         = "criteria-out-of-order"
	AdviceUnknownElement     = "unknown-element"
	AdviceAboveLimit         = "max-above-limit"
	AdviceUnknownClass       = "unknown-device-class"
	AdviceUnknownStatus      = "unknown-status"
	AdviceUnknownModel       = "unknown-model"
	AdviceNoSelectBy         = "select-by-missing"
	AdviceNoCtiClass         = "cti-class-missing"
	AdviceEmptyItem          = "empty-item"
	AdviceComma              = "comma-in-item"
	AdviceNotAnAddress       = "item-not-an-address"
	AdviceExtWildcard        = "ext-wildcard"
	AdviceCaseOnly           = "case-only-match"
	AdviceDuplicates         = "several-records-of-one-device"
	AdviceStateInfoBad       = "state-info-unreadable"
	AdviceStateInfoForeign   = "state-info-of-other-nodes"
	AdviceStateInfoOld       = "state-info-too-old"
	AdviceStateInfoAnother   = "state-info-of-another-query"
	AdviceDirNumbersIgnored  = "dir-numbers-ignored"
	AdviceDevNamesIgnored    = "dev-names-ignored"
	AdviceUnknownNode        = "unknown-node"
	AdviceDeprecatedPath     = "deprecated-endpoint"
)

// The advice that several exchanges of one client show.
const (
	AdviceAtLimit         = "result-at-limit"
	AdviceStateInfoCursor = "state-info-as-cursor"
	AdviceStateInfoStale  = "state-info-not-renewed"
	AdvicePollWhole       = "poll-without-state-info"
	AdvicePollTooFast     = "poll-faster-than-limit"
	AdvicePollAfterFault  = "poll-after-rate-fault"
	AdviceOneName         = "one-device-per-query"
	AdviceSessionUnused   = "session-not-reused"
	AdviceDeadSession     = "session-fault-ignored"
	AdviceBadLoginAgain   = "refused-credentials-again"
	AdviceFaultAgain      = "refused-request-repeated"
	AdviceContractAgain   = "contract-fetched-again"
)

// advices is the one place where an advice's rule and remedy stand. A %v in a sentence is the offending value.
var advices = []Advice{
	{AdviceSOAPActionMissing, "The request has no SOAPAction header.", "H3",
		"Send the operation's name as SOAPAction: one report has a real Unified CM refuse requests without it."},
	{AdviceSOAPActionMismatch, "SOAPAction %v does not name the operation in the body.", "H3",
		"Send the name of the operation; it is the body that counts here."},
	{AdviceOutOfOrder, "Element %v stands out of the contract's order.", "X6",
		"Send the elements in the contract's order: a real Unified CM may read them in sequence."},
	{AdviceUnknownElement, "The contract has no element %v there; it was ignored.", "X6",
		"Compare the request with the contract, letter by letter."},
	{AdviceAboveLimit, "The number of results asked for, %v, is above the service's limit and was lowered to it.", "Q1",
		"Ask for no more than the limit, and for less at a time than it can cut off."},
	{AdviceUnknownClass, "DeviceClass %v is none of the contract's, so nothing can match.", "Q4",
		"Use Any, or a class of the contract."},
	{AdviceUnknownStatus, "Status %v is none of the contract's, so nothing can match.", "Q4",
		"Use Any, or a status of the contract; UnRegistered has two capitals."},
	{AdviceUnknownModel, "No model has the number %v.", "Q5",
		"Look the number up in the typemodel table; 255 means any."},
	{AdviceNoSelectBy, "The request does not say what its items are, so they were taken as %v.", "Q7",
		"Say it in SelectBy or SelectAppBy."},
	{AdviceNoCtiClass, "The request has no CtiMgrClass; it was taken as %v.", "C1",
		"Say Provider, Device or Line."},
	{AdviceEmptyItem, "The request selects by no item, or by an empty one, which means everything.", "Q9",
		"Name what you want; in selectCmDevice, * means everything."},
	{AdviceComma, "Item %v holds a comma, which is an ordinary character: it does not separate names.", "Q9",
		"Send one item element for each name."},
	{AdviceNotAnAddress, "Item %v is neither an address of the kind selected by nor has a wildcard, so it matches nothing.", "W7",
		"Send a whole address, or a part of one with *."},
	{AdviceExtWildcard, "Item %v of selectCmDeviceExt holds *, which is not a wildcard there.", "W5",
		"Send whole names, or use selectCmDevice."},
	{AdviceCaseOnly, "%v matches only because case is ignored.", "W6",
		"Write it as the cluster does: whether a real Unified CM ignores case is not known."},
	{AdviceDuplicates, "Device %v is in the answer more than once, under several nodes.", "R1",
		"Believe the record with the newest TimeStamp, or ask selectCmDeviceExt, which gives only that."},
	{AdviceStateInfoBad, "StateInfo cannot be read (%v), so it counted as none.", "N6",
		"Send the string of the last answer back as it came."},
	{AdviceStateInfoForeign, "StateInfo names nodes that this query does not ask, so it counted as none.", "N6",
		"Send a StateInfo only with the query that it came from."},
	{AdviceStateInfoOld, "StateInfo is from before the history that the nodes keep, or from a future that they have not seen, so it counted as none.", "N6",
		"Send the StateInfo of the last answer."},
	{AdviceStateInfoAnother, "StateInfo came from another query than the one that it was sent with, so NoChange may not mean what it says.", "N7",
		"Keep one StateInfo for each query, and send it with that query only; it is no page cursor."},
	{AdviceDirNumbersIgnored, "DirNumbers counts only when CtiMgrClass is Line, and was ignored with %v.", "C4",
		"Ask for CtiMgrClass Line."},
	{AdviceDevNamesIgnored, "DevNames counts only when CtiMgrClass is Device or Line, and was ignored with %v.", "C4",
		"Ask for CtiMgrClass Device or Line."},
	{AdviceUnknownNode, "NodeName %v is no node of the cluster.", "Q8",
		"Use a node's name or address as the cluster has it, or none for all nodes."},
	{AdviceDeprecatedPath, "Path %v is that of the deprecated RisPort service.", "H7",
		"Use " + Path + "."},

	{AdviceAtLimit, "An answer held exactly as many results as its limit of %v allows, and was taken as complete: no narrower query followed.", "Q2",
		"Take such an answer as cut off, which nothing in it tells, and ask again by narrower items."},
	{AdviceStateInfoCursor, "The StateInfo of an answer that was cut off came back at once with the same query, as if it led to the next page.", "N7",
		"Divide the query by narrower items; StateInfo tells whether anything has changed, and the next answer begins at the front again."},
	{AdviceStateInfoStale, "An old StateInfo came again and again although each answer had a newer one, so NoChange cannot come.", "N4",
		"Send the StateInfo of the last answer to this query."},
	{AdvicePollWhole, "The same query came without StateInfo three times or more, and nothing had changed.", "N4",
		"Send the StateInfo of the last answer with the next query: when nothing has changed, the answer is short."},
	{AdvicePollTooFast, "The client used up the limit of %v queries a minute alone, and was refused, in two minutes one after the other.", "T1",
		"Poll at an interval that the limit allows, with room for others: all users and applications share it."},
	{AdvicePollAfterFault, "A query came sooner after the rate fault than the limit allows anybody to go on.", "T4",
		"Wait for the next minute after a rate fault."},
	{AdviceOneName, "Ten queries or more in a row asked for one device each, within a minute.", "T1",
		"Ask for many names in one query: up to a thousand cost no more of the rate limit than one."},
	{AdviceSessionUnused, "Credentials came with every query, and none of the session cookies that they were answered with came back.", "H6",
		"Send the cookie JSESSIONIDSSO with the next queries: a real Unified CM opens a session for every log-in, and has room for few."},
	{AdviceDeadSession, "Requests came in a session that has ended, three times or more in a row.", "H6",
		"After the session fault forget the cookie, and log in again."},
	{AdviceBadLoginAgain, "Credentials that are wrong came three times or more in a row, by which a real Unified CM may lock the account.", "H5",
		"Stop at the first answer 401 to a request with credentials."},
	{AdviceFaultAgain, "The same request came again after a fault that no repetition mends.", "X7",
		"Repeat nothing that was refused as malformed or for one of its values; correct it as faultstring says."},
	{AdviceContractAgain, "The contract was read five times or more within a minute.", "H2",
		"Read it once and keep it: it does not change."},
}

// adviceIndex says where in advices an id stands.
var adviceIndex = func() map[string]int {
	index := map[string]int{}
	for i, a := range advices {
		index[a.ID] = i
	}
	return index
}()

// Advices lists all advice, with … in place of an offending value: first what a single exchange can show, then what several of one client
// do.
func Advices() []Advice {
	list := make([]Advice, len(advices))
	for i, a := range advices {
		list[i] = spoken(a)
	}
	return list
}

func spoken(a Advice) Advice {
	a.Text = strings.Replace(a.Text, "%v", "…", 1)
	return a
}

// advise makes the advice of an exchange.
func advise(id string, value ...any) Advice {
	i, ok := adviceIndex[id]
	if !ok {
		panic("soap: no advice " + id)
	}
	a := advices[i]
	if len(value) > 0 {
		a.Text = fmt.Sprintf(a.Text, value...)
	}
	return a
}

// quoted is a value from a request as a sentence shows it.
func quoted(value string) string { return fmt.Sprintf("%q", clip(value)) }
