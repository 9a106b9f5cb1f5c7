package soap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// appendStateInfo appends the StateInfo of an answer, as XML or as the string that the contract wants (rules N1 and X4): the
// same with < and > escaped. Without marks it is empty.
func appendStateInfo(b []byte, marks []cluster.Mark, clusterWide, asString bool) []byte {
	lt, gt := "<", ">"
	if asString {
		lt, gt = "&lt;", "&gt;"
	}
	if len(marks) == 0 {
		return b
	}
	b = append(append(b, lt...), `StateInfo`...)
	if clusterWide {
		b = append(b, ` ClusterWide="1"`...)
	}
	b = append(b, gt...)
	for i := range marks {
		m := &marks[i]
		b = append(append(b, lt...), `Node Name="`...)
		if asString {
			var room [128]byte
			b = appendText(b, appendAttr(room[:0], string(m.Node)))
		} else {
			b = appendAttr(b, string(m.Node))
		}
		b = append(b, `" SubsystemStartTime="`...)
		b = strconv.AppendInt(b, m.Started, 10)
		b = append(b, `" StateId="`...)
		b = strconv.AppendUint(b, m.StateID, 10)
		b = append(b, `" TotalItemsFound="`...)
		b = strconv.AppendInt(b, int64(m.Found), 10)
		b = append(b, `" TotalItemsReturned="`...)
		b = strconv.AppendInt(b, int64(m.Returned), 10)
		b = append(append(b, `"/`...), gt...)
	}
	return append(append(append(b, lt...), `/StateInfo`...), gt...)
}

// longestStateInfo bounds what is read of a StateInfo, in bytes (rule H8). One node takes about 100.
const longestStateInfo = 64 << 10

// parseStateInfo reads the StateInfo of a request. An empty text, or white space, gives no marks; a text that is not
// one of ours gives an error that says why (rule N6).
func parseStateInfo(text string) ([]cluster.Mark, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil
	}
	if len(text) > longestStateInfo {
		return nil, fmt.Errorf("it is longer than %d bytes", longestStateInfo)
	}
	var info struct {
		XMLName xml.Name
		Nodes   []struct {
			Name     string `xml:"Name,attr"`
			Started  string `xml:"SubsystemStartTime,attr"`
			StateID  string `xml:"StateId,attr"`
			Found    string `xml:"TotalItemsFound,attr"`
			Returned string `xml:"TotalItemsReturned,attr"`
		} `xml:"Node"`
	}
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&info); err != nil {
		return nil, fmt.Errorf("it is not XML: %w", err)
	}
	if info.XMLName.Local != "StateInfo" {
		return nil, fmt.Errorf("its element is %q, not StateInfo", info.XMLName.Local)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more after its end")
	}
	if len(info.Nodes) == 0 {
		return nil, errors.New("it has no Node")
	}
	marks := make([]cluster.Mark, len(info.Nodes))
	for i, n := range info.Nodes {
		m := &marks[i]
		m.Node = cluster.NodeName(n.Name)
		var err [4]error
		m.Started, err[0] = strconv.ParseInt(n.Started, 10, 64)
		m.StateID, err[1] = strconv.ParseUint(n.StateID, 10, 64)
		m.Found, err[2] = parseCount(n.Found)
		m.Returned, err[3] = parseCount(n.Returned)
		if e := errors.Join(err[:]...); n.Name == "" || e != nil {
			return nil, fmt.Errorf("its Node %d lacks a name or a number", i+1)
		}
	}
	return marks, nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}
