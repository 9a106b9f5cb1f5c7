package soap

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

// Every advice that one exchange can show, by a request that earns it and its exact sentence. Nothing else is advised with it. And by a
// request that is much like it, and does not.
func TestAdvice_EachHasARequestThatEarnsIt(t *testing.T) {
	one := []string{"MOH_2"}
	cases := map[string]struct {
		body    string
		headers []header
		want    string
	}{
		AdviceSOAPActionMissing:  {device(dev, "", one), []header{{"SOAPAction", ""}}, "The request has no SOAPAction header."},
		AdviceSOAPActionMismatch: {device(dev, "", one), []header{{"SOAPAction", "other"}}, `SOAPAction "other" does not name the operation in the body.`},
		AdviceOutOfOrder: {strings.Replace(strings.Replace(device(dev, "", one), "<a:Model>255</a:Model>", "", 1), "<a:DeviceClass>", "<a:Model>255</a:Model><a:DeviceClass>", 1), nil,
			`Element "DeviceClass" stands out of the contract's order.`},
		AdviceUnknownElement: {strings.Replace(device(dev, "", one), "<a:Model>", "<a:Modle>1</a:Modle><a:Model>", 1), nil, `The contract has no element "Modle" there; it was ignored.`},
		AdviceAboveLimit:     {device(dev, "", one, tag{"MaxReturnedDevices", "1001"}), nil, "The number of results asked for, 1001, is above the service's limit and was lowered to it."},
		AdviceUnknownClass:   {device(dev, "", one, tag{"DeviceClass", "Telephone"}), nil, `DeviceClass "Telephone" is none of the contract's, so nothing can match.`},
		AdviceUnknownStatus:  {device(dev, "", one, tag{"Status", "Gone"}), nil, `Status "Gone" is none of the contract's, so nothing can match.`},
		AdviceUnknownModel:   {device(dev, "", one, tag{"Model", "4711"}), nil, "No model has the number 4711."},
		AdviceNoSelectBy:     {device(dev, "", one, tag{"SelectBy", ""}), nil, "The request does not say what its items are, so they were taken as Name."},
		AdviceNoCtiClass:     {cti("", nil, nil, nil, tag{"CtiMgrClass", ""}), nil, "The request has no CtiMgrClass; it was taken as Provider."},
		AdviceEmptyItem:      {device(dev, "", nil, tag{"NodeName", "cucm-sub2"}), nil, "The request selects by no item, or by an empty one, which means everything."},
		AdviceComma:          {device(dev, "", []string{"MOH_2,ICT-WEST"}), nil, `Item "MOH_2,ICT-WEST" holds a comma, which is an ordinary character: it does not separate names.`},
		AdviceNotAnAddress:   {device(dev, "", []string{"10.1"}, tag{"SelectBy", "IPV4Address"}), nil, `Item "10.1" is neither an address of the kind selected by nor has a wildcard, so it matches nothing.`},
		AdviceExtWildcard:    {device(ext, "", []string{"SEP*"}), nil, `Item "SEP*" of selectCmDeviceExt holds *, which is not a wildcard there.`},
		AdviceCaseOnly:       {device(dev, "", []string{"moh_2"}), nil, `Item "moh_2" matches only because case is ignored.`},
		AdviceDuplicates:     {device(dev, "", []string{"SEP*3"}), nil, `Device "SEP0C0000000003" is in the answer more than once, under several nodes.`},
		AdviceStateInfoBad:   {device(dev, "page 2", one), nil, "StateInfo cannot be read (it is not XML: EOF), so it counted as none."},
		AdviceStateInfoForeign: {device(dev, string(appendStateInfo(nil, []cluster.Mark{{Node: "elsewhere"}}, false, false)), one), nil,
			"StateInfo names nodes that this query does not ask, so it counted as none."},
		AdviceStateInfoOld: {device(dev, string(appendStateInfo(nil, []cluster.Mark{
			{Node: "cucm-pub", Started: start.Unix() - 91000}, {Node: "cucm-sub1", Started: start.Unix() - 90000, StateID: 99}, {Node: "cucm-sub2", Started: start.Unix() - 92000, StateID: 3}}, true, false)), one), nil,
			"StateInfo is from before the history that the nodes keep, or from a future that they have not seen, so it counted as none."},
		AdviceStateInfoAnother:  {device(dev, "", one), nil, "StateInfo came from another query than the one that it was sent with, so NoChange may not mean what it says."},
		AdviceDirNumbersIgnored: {cti("", nil, nil, []string{"4001"}, tag{"CtiMgrClass", "Device"}), nil, "DirNumbers counts only when CtiMgrClass is Line, and was ignored with Device."},
		AdviceDevNamesIgnored:   {cti("", nil, []string{"D"}, nil, tag{"CtiMgrClass", "Provider"}), nil, "DevNames counts only when CtiMgrClass is Device or Line, and was ignored with Provider."},
		AdviceUnknownNode:       {device(dev, "", one, tag{"NodeName", "cucm-sub9"}), nil, `NodeName "cucm-sub9" is no node of the cluster.`},
		AdviceDeprecatedPath:    {"", nil, `Path "/realtimeservice/services/RisPort" is that of the deprecated RisPort service.`},
	}
	spared := map[string]string{
		AdviceSOAPActionMissing:  device(dev, "", one),
		AdviceSOAPActionMismatch: strings.NewReplacer("<a:", "<b:", "</a:", "</b:", "xmlns:a", "xmlns:b").Replace(device(dev, "", one)),
		AdviceOutOfOrder:         strings.Replace(device(dev, "", one), "<a:Model>255</a:Model>", "", 1),
		AdviceUnknownElement:     strings.Replace(device(dev, "", one), "<a:Model>", "<!-- Modle --><a:Model>", 1),
		AdviceAboveLimit:         device(dev, "", one, tag{"MaxReturnedDevices", "1000"}),
		AdviceUnknownClass:       device(dev, "", one, tag{"DeviceClass", "mediaresources"}),
		AdviceUnknownStatus:      device(dev, "", one, tag{"Status", "REGISTERED"}),
		AdviceUnknownModel:       device(dev, "", one, tag{"Model", "437"}),
		AdviceNoSelectBy:         device(dev, "", one, tag{"SelectBy", "Name"}),
		AdviceNoCtiClass:         cti("", nil, nil, nil, tag{"CtiMgrClass", "Provider"}),
		AdviceEmptyItem:          device(dev, "", everything, tag{"NodeName", "cucm-sub2"}),
		AdviceComma:              device(dev, "", []string{"a, b"}, tag{"SelectBy", "Description"}),
		AdviceNotAnAddress:       device(dev, "", []string{"10.1*1"}, tag{"SelectBy", "IPV4Address"}),
		AdviceExtWildcard:        device(ext, "", []string{"SEP?"}),
		AdviceCaseOnly:           device(dev, "", []string{"MOH_2", "nobody"}),
		AdviceDuplicates:         device(ext, "", []string{"SEP0C0000000003"}),
		AdviceStateInfoBad:       device(dev, " ", one),
		AdviceStateInfoForeign:   device(dev, string(appendStateInfo(nil, []cluster.Mark{{Node: "cucm-sub1"}}, false, false)), one, tag{"NodeName", "cucm-sub1"}),
		AdviceStateInfoOld: device(dev, string(appendStateInfo(nil, []cluster.Mark{
			{Node: "cucm-pub", Started: start.Unix() - 91000}, {Node: "cucm-sub1", Started: start.Unix() - 90001, StateID: 99}, {Node: "cucm-sub2", Started: start.Unix() - 92000, StateID: 3}}, true, false)), one),
		AdviceStateInfoAnother:  device(dev, "", one),
		AdviceDirNumbersIgnored: cti("", nil, nil, []string{"4001"}, tag{"CtiMgrClass", "Line"}),
		AdviceDevNamesIgnored:   cti("", nil, []string{"D"}, nil, tag{"CtiMgrClass", "Device"}),
		AdviceUnknownNode:       device(dev, "", one, tag{"NodeName", "10.10.20.2"}),
		AdviceDeprecatedPath:    device(dev, "", one),
	}
	ids := map[string]bool{}
	for _, a := range Advices() {
		if _, ok := conversations[a.ID]; ok {
			continue
		}
		t.Run(a.ID, func(t *testing.T) {
			assert.Regexp(t, `^[a-z]+(-[a-z]+)+$`, a.ID)
			assert.False(t, ids[a.ID], "twice")
			ids[a.ID] = true
			assert.Regexp(t, `^[A-Z]\d+$`, a.Rule)
			assert.Regexp(t, `\.$`, a.Fix)
			assert.NotContains(t, a.Text, "%")

			c, ok := cases[a.ID]
			require.True(t, ok, "no request earns it")
			r := newRig(t)
			switch a.ID {
			case AdviceStateInfoAnother: // it takes two: the answer to the first goes with another query
				r.ask(device(dev, "", []string{"MOH_2"}))
				r.ask(device(dev, r.last().StateOut, []string{"CFB_2"}))
			case AdviceDeprecatedPath:
				r.NotFound("").ServeHTTP(newRecorder(), httptest.NewRequest(http.MethodPost, "/realtimeservice/services/RisPort", nil))
			default:
				r.ask(c.body, c.headers...)
			}
			got := r.last().Advice
			require.Equal(t, []string{a.ID}, idsOf(got))
			assert.Equal(t, c.want, got[0].Text)
			assert.Equal(t, a.Rule, got[0].Rule)
			assert.Equal(t, a.Fix, got[0].Fix)
			sentence := "^" + strings.ReplaceAll(regexp.QuoteMeta(a.Text), "…", ".+") + "$"
			assert.Regexp(t, sentence, got[0].Text)

			require.Contains(t, spared, a.ID)
			r = newRig(t)
			r.ask(spared[a.ID])
			if a.ID == AdviceStateInfoAnother {
				r.ask(device(dev, r.last().StateOut, one))
			}
			assert.NotContains(t, r.adviceIDs(), a.ID)
			assert.Empty(t, r.last().Advice)
		})
	}
	assert.Len(t, cases, len(ids))
	assert.Len(t, spared, len(ids))
}

// J: each advice of the table is earned and spared by some test: by a request here, or by a conversation.
func TestAdvice_J_EveryOneIsTested(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Advices() {
		assert.Regexp(t, `^[a-z]+(-[a-z]+)+$`, a.ID)
		assert.Regexp(t, `^[A-Z]\d+$`, a.Rule)
		assert.Regexp(t, `\.$`, a.Text)
		assert.Regexp(t, `\.$`, a.Fix)
		assert.False(t, seen[a.ID], "%s is there twice", a.ID)
		seen[a.ID] = true
	}
	for id, c := range conversations {
		assert.True(t, seen[id], id)
		assert.True(t, c.earns != nil && c.spared != nil && c.want != "", id)
	}
}

// J: a polite request earns none, of whatever operation.
func TestAdvice_NoneForAPoliteRequest(t *testing.T) {
	r := newDialog(t)
	state := ""
	for _, body := range []func(string) string{
		func(s string) string { return device("selectCmDevice", s, []string{"SEP0C0000000001", "MOH*"}) },
		func(s string) string {
			return device("selectCmDeviceExt", s, []string{"SEP0C0000000001"}, tag{"MaxReturnedDevices", "1"})
		},
		func(s string) string { return cti(s, []string{""}, []string{""}, []string{""}) },
		func(s string) string {
			return cti(s, nil, nil, nil, tag{"CtiMgrClass", "Provider"}, tag{"SelectAppBy", ""})
		},
	} {
		state = ""
		for range 2 {
			state = r.send(body(state))
			assert.Empty(t, r.last().Advice, "%s", body(state))
		}
	}
}

// Q2: the limit is noticed, for whatever kind of query, and is no remark where nothing can be cut off or the totals say it.
func TestAdvice_Q2_AtTheLimit(t *testing.T) {
	for _, c := range []struct {
		body      string
		knobs     []knob
		truncated bool
		advised   bool
	}{
		{device("selectCmDevice", "", everything, tag{"MaxReturnedDevices", "6"}), nil, true, true},
		{device("selectCmDevice", "", everything, tag{"MaxReturnedDevices", "7"}), nil, true, true}, // all there are, but who could know
		{device("selectCmDevice", "", everything, tag{"MaxReturnedDevices", "8"}), nil, false, false},
		{device("selectCmDevice", "", everything, tag{"MaxReturnedDevices", "6"}), []knob{{"revealTruncation", "true"}}, true, false},
		{device("selectCmDevice", "", everything, tag{"MaxReturnedDevices", "7"}), []knob{{"revealTruncation", "true"}}, false, false},
		{device("selectCmDeviceExt", "", []string{"MOH_2", "ICT-WEST"}, tag{"MaxReturnedDevices", "2"}), nil, false, false},
		{device("selectCmDeviceExt", "", []string{"MOH_2", "ICT-WEST"}, tag{"MaxReturnedDevices", "1"}), nil, true, true},
		{device("selectCmDeviceExt", "", nil, tag{"MaxReturnedDevices", "1"}), nil, true, true},
		{device("selectCmDeviceExt", "", []string{"4001"}, tag{"SelectBy", "DirNumber"}, tag{"MaxReturnedDevices", "1"}), nil, true, true},
		{cti("", everything, nil, nil, tag{"MaxReturnedItems", "2"}), nil, true, true},
		{cti("", everything, nil, nil, tag{"MaxReturnedItems", "3"}), nil, false, false},
		{device("selectCmDevice", "", everything), []knob{{"maxReturned", "3"}}, true, true},
	} {
		r := newRig(t, c.knobs...)
		r.ask(c.body)
		name := fmt.Sprintf("%v %s", c.knobs, c.body)
		assert.Equal(t, c.truncated, r.last().Truncated, name)
		r.ask(c.body)
		assert.Equal(t, c.advised, strings.Contains(strings.Join(r.adviceIDs(), " "), AdviceAtLimit), name)
	}
}

// N7: a StateInfo that comes back with its own query earns nothing, however often, and after an unrelated change; with
// another query it is noticed, also when that other query's NoChange gave it back. W6: so is a node named in other case.
func TestAdvice_StateInfoOfAnotherQuery_N7(t *testing.T) {
	const dev, id = "selectCmDevice", AdviceStateInfoAnother
	r := newRig(t)
	mine, other := []string{"MOH_2"}, []string{"CFB_2"}
	r.ask(device(dev, "", mine))
	state := r.last().StateOut
	require.NotEmpty(t, state)
	for range 3 {
		r.ask(device(dev, state, mine))
		require.NotContains(t, idsOf(r.last().Advice), id)
		r.ask(device(dev, state, other))
		require.Contains(t, idsOf(r.last().Advice), id)
		r.ask(device(dev, state, mine, tag{"MaxReturnedDevices", "7"}))
		require.Contains(t, idsOf(r.last().Advice), id, "another limit is another query")
	}
	r.ask(device(dev, "", []string{"MOH_2"}, tag{"NodeName", "CUCM-pub"}))
	require.Contains(t, idsOf(r.last().Advice), AdviceCaseOnly)
}

// H8: a StateInfo that is far too long is not read.
func TestParseStateInfo_H8_Bound(t *testing.T) {
	_, err := parseStateInfo("<StateInfo>" + strings.Repeat("<Node/>", 10_000) + "</StateInfo>")
	require.EqualError(t, err, "it is longer than 65536 bytes")
}

// N7: what is remembered is bounded, and a StateInfo that too many queries share proves nothing.
func TestOrigins_N7_Bounded(t *testing.T) {
	o := newOrigins()
	for i := range uint64(3 * keptOrigins) {
		o.note(strconv.FormatUint(i, 10), i)
	}
	require.Len(t, o.queries, keptOrigins)
	require.False(t, o.another("0", 99), "forgotten")
	require.True(t, o.another(strconv.Itoa(3*keptOrigins-1), 99))
	for i := range uint64(2 * keptPerState) {
		o.note("shared", i)
	}
	require.False(t, o.another("shared", 99))
}
