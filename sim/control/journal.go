package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/risim/risim/sim"
)

// journalFilter is the parameters that say which entries are meant.
type journalFilter struct {
	Kind       string   `query:"kind" enum:"request,change,step,trouble" doc:"Kind of entry."`
	Device     string   `query:"device" doc:"Entries about this device: changes of it, and requests that name it, or could by a *."`
	Operation  string   `query:"operation" doc:"Requests with this operation; a * stands for any text here and in what follows."`
	User       string   `query:"user" doc:"Requests of this user."`
	Node       string   `query:"node" doc:"Requests that this node received."`
	Client     string   `query:"client" doc:"Requests from this address."`
	UserAgent  string   `query:"userAgent" doc:"Requests with this User-Agent."`
	Path       string   `query:"path" doc:"Requests for this path."`
	StateInfo  string   `query:"stateInfo" enum:"sent,none" doc:"Requests that sent a StateInfo, or none."`
	Status     int      `query:"status" doc:"Requests that were answered with this status."`
	Fault      string   `query:"fault" doc:"Requests that were answered with this SOAP fault, by name."`
	Advice     string   `query:"advice" doc:"Requests that got this advice."`
	Impairment string   `query:"impairment" doc:"Requests that this impairment hit."`
	Class      string   `query:"class" doc:"Requests with this DeviceClass or CtiMgrClass."`
	Item       []string `query:"item" doc:"Requests with this item; with each of them, when it is given several times."`
	After      uint64   `query:"after" doc:"Entries with higher numbers only."`
	From       Time     `query:"from" doc:"Not before this simulated time."`
	Until      Time     `query:"until" doc:"Not after this simulated time."`
}

// filter is what the simulator takes, or everything that is wrong with it.
func (f *journalFilter) filter(limit int) (sim.JournalFilter, error) {
	out := sim.JournalFilter{Kind: f.Kind, Device: f.Device, Limit: limit, Window: sim.Window{After: f.After, From: f.From.Time, Until: f.Until.Time},
		RequestFilter: sim.RequestFilter{Operation: f.Operation, User: f.User, Node: f.Node, Client: f.Client, UserAgent: f.UserAgent, Path: f.Path,
			StateInfo: f.StateInfo, Status: f.Status, Fault: f.Fault, Advice: f.Advice, Impairment: f.Impairment,
			Criteria: sim.Criteria{Class: f.Class, Items: f.Item}}}
	if err := out.Check(); err != nil {
		return out, wrong(ProblemInvalid, each(err))
	}
	return out, nil
}

// Journal is a part of a cluster's journal.
type Journal struct {
	Entries []sim.JournalLine `json:"entries" doc:"The entries that match, oldest first."`
	Last    uint64            `json:"last" doc:"Number of the newest entry of all, which is how many there have been."`
	Dropped uint64            `json:"dropped" doc:"How many of the oldest are not kept any more."`
	Next    uint64            `json:"next,omitempty" doc:"What after must be for the next page; not there on the last one."`
}

type journalIn struct {
	inCluster
	journalFilter
	Limit int `query:"limit" doc:"How many entries at the most, up to 1000; 100 when it is left out."`
}

func getJournal(c *call, in *journalIn) (Journal, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Journal{}, err
	}
	limit, err := page(in.Limit)
	if err != nil {
		return Journal{}, err
	}
	f, err := in.filter(limit + 1)
	if err != nil {
		return Journal{}, err
	}
	entries, err := one.sim.Query(f)
	if err != nil {
		return Journal{}, err
	}
	stats := one.sim.JournalStats()
	out := Journal{Entries: []sim.JournalLine{}, Last: stats.Last, Dropped: stats.Dropped}
	if len(entries) > limit {
		entries = entries[:limit]
		out.Next = entries[limit-1].Seq
	}
	for _, e := range entries {
		out.Entries = append(out.Entries, e.Line())
	}
	return out, nil
}

type exportIn struct {
	inCluster
	journalFilter
}

// export finds the entries of an export.
func (in *exportIn) export(c *call) (*sim.Simulator, sim.Journal, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return nil, nil, err
	}
	f, err := in.filter(0)
	if err != nil {
		return nil, nil, err
	}
	entries, err := one.sim.Query(f)
	return one.sim, entries, err
}

func exportLines(c *call, in *exportIn) error {
	_, entries, err := in.export(c)
	if err != nil {
		return err
	}
	return entries.WriteJSON(c.stream("application/jsonl"))
}

func exportHAR(c *call, in *exportIn) error {
	s, entries, err := in.export(c)
	if err != nil {
		return err
	}
	return s.WriteHAR(c.stream("application/json"), entries)
}

type streamIn struct {
	inCluster
	journalFilter
	LastEventID uint64 `header:"Last-Event-ID" doc:"As after: what a browser sends when it connects again."`
}

const (
	streamBuffer = 1000             // entries that may wait for a slow reader
	streamPulse  = 15 * time.Second // how often a reader that has gone is looked for
)

// streamJournal sends entries as they happen, as server-sent events: what is in the journal already after the number given, then
// what comes.
func streamJournal(c *call, in *streamIn) error {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return err
	}
	_, again := c.r.Header["Last-Event-Id"]
	in.After = max(in.After, in.LastEventID)
	backlog := again || c.r.URL.Query().Has("after")
	f, err := in.filter(0)
	if err != nil {
		return err
	}
	sub := one.sim.Subscribe(streamBuffer)
	defer sub.Close()
	f.After = in.After
	if !backlog {
		f.After = one.sim.JournalStats().Last
	}
	entries, err := one.sim.Query(f)
	if err != nil {
		return err
	}
	w := c.stream("text/event-stream")
	flush := http.NewResponseController(c.w)
	sent, dropped := f.After, uint64(0)
	for _, e := range entries {
		if err := sendEntry(w, e); err != nil {
			return nil
		}
		sent = e.Seq
	}
	if err := flush.Flush(); err != nil {
		return nil
	}
	pulse := time.NewTicker(streamPulse)
	defer pulse.Stop()
	for {
		select {
		case e, open := <-sub.C:
			if !open { // the cluster has ended
				return nil
			}
			if e.Seq > sent && f.Matches(&e) {
				err = sendEntry(w, e)
			}
			if n := sub.Dropped(); n > dropped && err == nil {
				_, err = fmt.Fprintf(w, "event: dropped\ndata: {\"dropped\": %d}\n\n", n-dropped)
				dropped = n
			}
		case <-pulse.C:
			_, err = io.WriteString(w, ": still here\n\n")
		case <-c.r.Context().Done():
			return nil
		}
		if err == nil && len(sub.C) == 0 {
			err = flush.Flush()
		}
		if err != nil { // whoever reads has gone
			return nil
		}
	}
}

func sendEntry(w io.Writer, e sim.Entry) error {
	data, err := json.Marshal(e.Line())
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "id: "+strconv.FormatUint(e.Seq, 10)+"\nevent: "+e.Kind()+"\ndata: "+string(data)+"\n\n")
	return err
}
