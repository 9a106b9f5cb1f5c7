package sim

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// notPacked are the fields of an Exchange that an entry does not have: they are of the request's connection, in the Entry, or in Raw.
var notPacked = map[string]bool{"HTTP": true, "Seq": true, "RequestBody": true, "ResponseBody": true, "AnswerHeader": true}

// Everything of an exchange comes back as it was, whatever is in it. A field that somebody adds must be packed, or be in notPacked.
func TestJournal_KeepsEveryField(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := &soap.Exchange{}
		fill(t, reflect.ValueOf(x).Elem())
		x.Started = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "started"), 0).UTC()
		x.Answered = x.Started.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "waited")))
		x.RequestBytes = rapid.IntRange(0, keptRequest).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "sent") {
			x.StateIn = x.Request.StateInfo
		}
		x.HTTP = httptest.NewRequest(http.MethodPost, "/somewhere?a=b", nil)
		j := newJournal(&Options{JournalSize: 2, JournalBytes: 1 << 20})
		for range 3 { // the memory of the first is used again for the third
			j.exchange(x)
		}
		kept := j.entries(0)
		require.Len(t, kept, 2)
		for _, e := range kept {
			require.Equal(t, "POST", e.Method)
			require.Equal(t, "/somewhere", e.Path)
			want := *x
			want.HTTP, want.RequestBody, want.ResponseBody, want.AnswerHeader = nil, nil, nil, [2]string{}
			require.Equal(t, &want, e.Exchange)
		}
	})
}

// fill gives every exported field a value, and none the zero one but by chance.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.StringN(0, 5, 20).Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "uint"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		if n := rapid.IntRange(0, 3).Draw(t, "len"); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, v.Index(i))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[time.Time]() && !notPacked[f.Name] {
				fill(t, v.Field(i))
			}
		}
	default:
		t.Fatalf("cannot fill a %v", v.Type())
	}
}

// Bytes are bounded, whatever comes: entries go, oldest first, and are counted. The newest one stays.
func TestJournal_BoundedByBytes(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	rapid.Check(t, func(t *rapid.T) {
		j := newJournal(&Options{JournalSize: rapid.IntRange(1, 60).Draw(t, "size"), JournalBytes: most, JournalRaw: rapid.IntRange(-1, 5).Draw(t, "raw")})
		requests := uint64(0)
		for i := range rapid.IntRange(1, 80).Draw(t, "entries") {
			at := time.Unix(int64(i), 0)
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				list := cluster.RemoveDevices{Names: make([]cluster.DeviceName, rapid.IntRange(0, 3000).Draw(t, "names"))}
				j.event(at, &Event{Version: uint64(i), Changes: []cluster.Change{list, list}})
			default:
				x := exchangeOf(rapid.IntRange(0, 30_000).Draw(t, "request"), rapid.IntRange(0, 100_000).Draw(t, "answer"))
				x.Started = at
				j.exchange(x)
				requests++
			}
			kept := j.entries(0)
			require.NotEmpty(t, kept)
			require.Equal(t, uint64(i+1), kept[len(kept)-1].Seq)
			require.Equal(t, kept.Dropped(), j.first-1)
			require.LessOrEqual(t, len(kept), j.size)
			if len(kept) > 1 {
				require.LessOrEqual(t, j.used, most)
			}
			for k, e := range kept {
				require.Equal(t, e.Seq, kept[0].Seq+uint64(k))
				require.NotEqual(t, e.Event == nil, e.Exchange == nil)
				if e.Event != nil {
					require.Equal(t, 2, len(e.Event.Changes)+e.Event.More)
					require.Contains(t, e.Event.String(), "RemoveDevices")
					require.Contains(t, e.Event.String(), " and 1 more")
				} else {
					requests := e.Exchange.Request
					require.NotNil(t, requests)
				}
			}
			held := uint64(0)
			for _, e := range kept {
				if e.Exchange != nil {
					held++
				}
			}
			require.Equal(t, requests-held, j.droppedRequests)
		}
		held := 0
		for i := range j.ring {
			held += cap(j.ring[i].packed)
		}
		for i := range j.raw {
			held += cap(j.raw[i].packed)
		}
		require.LessOrEqual(t, held, 2*most, "also what is not counted is bounded")
	})
}

// exchangeOf is an exchange whose request and answer have so many bytes, with one item of the request's size.
func exchangeOf(request, answer int) *soap.Exchange {
	r := httptest.NewRequest(http.MethodPost, soap.Path, nil)
	r.Header = http.Header{
		"Authorization": {"Basic c2VjcmV0"}, "Cookie": {"JSESSIONIDSSO=0123"}, "Soapaction": {`"selectCmDevice"`}, "Content-Type": {"text/xml"},
		"User-Agent": {"probe/1"}, "Accept": {"*/*"}, "X-Api-Key": {"secret"}, "Content-Length": {fmt.Sprint(request)},
	}
	return &soap.Exchange{
		HTTP: r, Started: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Node: "cucm-pub", Operation: soap.SelectCmDevice,
		Client: "127.0.0.1:4711", UserAgent: "probe/1", User: "administrator", Login: soap.BasicLogin,
		Request:  &soap.Request{Op: soap.SelectCmDevice, Items: []soap.Text{{Value: strings.Repeat("i", request/2), Presence: soap.Given}}},
		StateOut: strings.Repeat(`<Node Name="cucm-pub" SubsystemStartTime="1770000000" StateId="12" TotalItemsFound="1" TotalItemsReturned="1"/>`, 3),
		Limit:    1000, Found: 1, Returned: 1, HTTPStatus: 200, RequestBytes: request, ResponseBytes: answer,
		RequestBody: make([]byte, request), ResponseBody: []byte(strings.Repeat("a", answer)),
		AnswerType: "text/xml;charset=utf-8", AnswerHeader: [2]string{"Set-Cookie", "JSESSIONIDSSO=4567; Path=/"},
	}
}

// What was sent is kept of the newest exchanges: its beginning, and without anything that may be a secret.
func TestRaw(t *testing.T) {
	t.Parallel()
	s := &Simulator{journal: newJournal(&Options{JournalSize: 100, JournalBytes: 1 << 20, JournalRaw: 2})}
	const body, long = 50, 200_000
	for i := range 3 {
		x := exchangeOf(body, []int{10, 20, long}[i])
		x.RequestBody = []byte(strings.Repeat("q", body))
		if i == 2 {
			x.HTTP.TLS = &tls.ConnectionState{}
		}
		s.journal.exchange(x)
	}
	_, ok := s.Raw(1)
	require.False(t, ok, "pushed out")
	_, ok = s.Raw(0)
	require.False(t, ok)
	_, ok = s.Raw(4)
	require.False(t, ok)
	raw, ok := s.Raw(2)
	require.True(t, ok)
	require.Equal(t, Raw{
		URL: "http://example.com" + soap.Path, Protocol: "HTTP/1.1",
		Request: Message{Header: [][2]string{{"Accept", "*/*"}, {"Authorization", notKept}, {"Content-Length", "50"}, {"Content-Type", "text/xml"},
			{"Cookie", notKept}, {"Soapaction", `"selectCmDevice"`}, {"User-Agent", "probe/1"}, {"X-Api-Key", notKept}},
			Body: []byte(strings.Repeat("q", body)), Size: body},
		Answer: Message{Header: [][2]string{{"Content-Type", "text/xml;charset=utf-8"}, {"Set-Cookie", notKept}}, Body: []byte(strings.Repeat("a", 20)), Size: 20},
	}, raw)
	raw, ok = s.Raw(3)
	require.True(t, ok)
	require.True(t, strings.HasPrefix(raw.URL, "https://"))
	require.Equal(t, long, raw.Answer.Size)
	require.Len(t, raw.Answer.Body, keptBody)
	require.Equal(t, "only the beginning is kept", raw.Answer.Note)

	for _, c := range []struct {
		body    string
		decoded bool
		kept    bool
	}{
		{"<s:Envelope><s:Header/><s:Body>", true, true},
		{"<s:Envelope><s:Header></s:Header><s:Body>", true, true},
		{"<s:Envelope><s:Body><Item>Password</Item>", true, true},
		{"<s:Envelope><s:Header><wsse:Security>abc</wsse:Security></s:Header><s:Body>", true, false},
		{"<s:Envelope><s:Header a='b'><wsse:Security>abc</wsse:Security></s:Header><s:Body>", true, false},
		{"<s:Envelope><s:Body><login><PassWord>abc</PassWord></login>", false, false},
		{"user=a&password=b", false, false},
		{"<login><pass>abc</pass></login>", false, false},
		{`{"user": "a", "Token": "b"}`, false, false},
		{"user=a&pin=b", false, false},
		{"<ax:userPin>b</ax:userPin>", false, false},
		{"<a:selectCmDevices><Item>spinning</Item>", false, true},
		{"\xff\xfea\x00b\x00c\x00", true, false},
		{"", false, true},
	} {
		x := exchangeOf(body, 10)
		x.RequestBody, x.RequestBytes = []byte(c.body), len(c.body)
		if !c.decoded {
			x.Request = nil
		}
		s.journal.exchange(x)
		raw, ok := s.Raw(s.journal.seq)
		require.True(t, ok)
		require.Equal(t, c.kept, raw.Request.Note == "", c.body)
		if c.kept {
			require.Equal(t, c.body, string(raw.Request.Body))
		} else {
			require.Empty(t, raw.Request.Body)
			require.Contains(t, raw.Request.Note, "not kept: ")
		}
	}
}

// Nothing secret is anywhere in the journal's memory: not in its entries, not in what was sent.
func TestJournal_HoldsNoSecrets(t *testing.T) {
	t.Parallel()
	ris := ForTest(t, Options{InMemory: true, Users: []soap.User{{Name: "poller", Password: "hunter2"}}})
	for _, password := range []string{"hunter2", "hunter3"} {
		req, err := http.NewRequest(http.MethodPost, ris.URL+"?token=hunter4", strings.NewReader("<wsse:Password>hunter5</wsse:Password>"))
		require.NoError(t, err)
		req.SetBasicAuth("poller", password)
		req.Header.Set("Cookie", "JSESSIONIDSSO=hunter6")
		req.Header.Set("X-Auth-Token", "hunter7")
		resp, err := ris.Client().Do(req)
		require.NoError(t, err)
		resp.Body.Close()
	}
	var all strings.Builder
	for i := range ris.journal.ring {
		all.Write(ris.journal.ring[i].packed)
	}
	for i := range ris.journal.raw {
		all.Write(ris.journal.raw[i].packed)
	}
	require.Contains(t, all.String(), "poller")
	require.Contains(t, all.String(), "X-Auth-Token")
	require.NotContains(t, all.String(), "hunter")
	require.NotContains(t, all.String(), "aHVudGVy", "base64")
}

// A subscriber is given what happens, in order. What it is too slow for is counted, and holds up nobody.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	ris := ForTest(t, Options{InMemory: true})
	fast, slow := ris.Subscribe(0), ris.Subscribe(2)
	for range 5 {
		require.NoError(t, ris.Apply())
	}
	for i := range 5 {
		e := <-fast.C
		require.Equal(t, uint64(i+1), e.Seq)
		require.Equal(t, ris.Journal()[i], e)
	}
	require.Zero(t, fast.Dropped())
	require.Equal(t, uint64(3), slow.Dropped())
	slow.Close()
	slow.Close()
	require.NoError(t, ris.Apply())
	require.Equal(t, uint64(1), (<-slow.C).Seq)
	require.Equal(t, uint64(2), (<-slow.C).Seq)
	_, open := <-slow.C
	require.False(t, open)
	require.Equal(t, uint64(6), (<-fast.C).Seq)

	require.NoError(t, ris.Close())
	_, open = <-fast.C
	require.False(t, open, "the simulator's end is the stream's")
	_, open = <-ris.Subscribe(1).C
	require.False(t, open)
	fast.Close()
}

// What a journal is told is counted also when it keeps nothing.
func TestJournalStats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size int
		want JournalStats
	}{{-1, JournalStats{Last: 4, Dropped: 4, DroppedRequests: 3}}, {2, JournalStats{Entries: 2, Last: 4, Dropped: 2, DroppedRequests: 2}}, {9, JournalStats{Entries: 4, Last: 4}}} {
		s := &Simulator{journal: newJournal(&Options{JournalSize: c.size, JournalBytes: 1 << 20})}
		require.Equal(t, JournalStats{}, s.JournalStats())
		sub := s.Subscribe(9)
		for range 2 {
			s.journal.exchange(exchangeOf(10, 10))
		}
		s.journal.event(time.Time{}, &Event{})
		s.journal.exchange(exchangeOf(10, 10))
		got := s.JournalStats()
		require.Equal(t, c.want.Entries > 0, got.Bytes > 0)
		got.Bytes = 0
		require.Equal(t, c.want, got)
		require.Equal(t, "probe/1", (<-sub.C).Exchange.UserAgent)
		require.Len(t, sub.C, 3)
	}
}

// What an exchange costs: a small one, one with a large answer, and a small one after a large one.
func BenchmarkJournal(b *testing.B) {
	small, large := exchangeOf(1200, 3000), exchangeOf(60_000, 2_400_000)
	for _, body := range [][]byte{small.RequestBody, small.ResponseBody, large.RequestBody, large.ResponseBody} {
		copy(body, "<soapenv:Envelope><soapenv:Body>"+strings.Repeat("<ns1:Name>SEP000102030405</ns1:Name><ns1:Status>Registered</ns1:Status>", 1+len(body)/70))
	}
	for _, c := range []struct {
		name string
		x    []*soap.Exchange
		raw  int
	}{{"small", []*soap.Exchange{small}, 100}, {"small without bodies", []*soap.Exchange{small}, -1}, {"large", []*soap.Exchange{large}, 100}} {
		b.Run(c.name, func(b *testing.B) {
			j := newJournal(&Options{JournalSize: 1000, JournalBytes: 16 << 20, JournalRaw: c.raw})
			for range 1000 {
				j.exchange(c.x[0])
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, x := range c.x {
					j.exchange(x)
				}
			}
		})
	}
}
