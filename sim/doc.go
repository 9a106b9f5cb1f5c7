// Package sim runs one simulated Unified CM cluster, and is the API that Go tests use.
//
//	func TestPoller(t *testing.T) {
//		ris := sim.ForTest(t, sim.Options{})
//		p := poller.New(ris.URL, ris.User, ris.Password, ris.Client()) // your code
//		p.Poll(t.Context())
//		ris.Apply(sim.StopNode("cucm-sub1"))
//		ris.Advance(time.Minute) // the rate limit's next minute, without waiting for it
//		p.Poll(t.Context())
//		t.Log(ris.Journal()) // what the poller asked, and what it was answered
//	}
//
// [ForTest] is for tests, [Start] for programs. The zero [Options] runs the ready cluster "default" over HTTPS on a
// free port of 127.0.0.1.
//
// # Scenarios
//
// A scenario says what happens when, and what a client should have done in the end (see package scenarios). There are ready
// ones, such as "subscriber-outage", and files of one's own:
//
//	ris := sim.ForTest(t, sim.Options{Scenario: "subscriber-outage"})
//	for range 30 {
//		p.Poll(t.Context())
//		ris.Advance(30 * time.Second)
//	}
//	for _, v := range ris.Finish() {
//		if v.Outcome != scenarios.Pass {
//			t.Error(v)
//		}
//	}
//
// # What the client did
//
//	v, err := ris.Verify(sim.Expected{RequestFilter: sim.RequestFilter{Operation: "selectCmDevice"}, Count: ">= 2"}) // v.Err() tells near misses
//	e, err := ris.Explain(sim.ExplainRequest{Seq: 7, Device: "SEP000102030405"})                                     // why it was not in that answer
//	t.Log(ris.Advice())                                                                                             // what would hurt elsewhere
//
// # Promises
//
//   - When Start returns, every listener is bound and the service answers. When Close returns, none is and nothing runs.
//   - Simulators share nothing: any number of them run in a process, and tests with one each run in parallel.
//   - The same options, requests and calls give the same journal, byte for byte, when time is manual.
//   - Everything is safe for concurrent use.
//
// # Where each thing lives
//
// One question decides: would a real Unified CM do it? What it knows is in sim/cluster; what it says, in bytes,
// challenges, limits and faults, is in sim/soap. What only a simulator does has its own places:
//
//	cmd/risim       the command: flags, signals and messages; everything else is called from here
//	                its internal/bench is what make bench runs, and measures it from outside; it imports nothing from here
//	sim             one running simulator: options, listeners, certificates, journal; and this API
//	sim/cluster     one cluster as a value: nodes, devices, their records on each node, CTI; snapshots, changes, queries
//	sim/soap        RisPort70 on the wire: decoding, criteria, StateInfo, faults, users, rate limit, encoding
//	sim/scenarios   the language of scenario files: reading, checking and running them; it knows nothing of the wire
//	sim/control     the operator's HTTP API: seeing and changing clusters while they run, and many of them in a process
//	sim/clock       what time it is and what is due: following the wall, or stepped by hand
//	fixtures        where populations come from, and the ready clusters and scenarios
//	wsdl            the contract, embedded
//
// # Who may import whom
//
//	cmd/risim --> sim/control --> sim --> sim/soap --> sim/cluster
//	     |                         |----> fixtures --> sim/cluster, sim/soap
//	     |                         |----> sim/scenarios --> sim/cluster, sim/clock
//	     |                         '----> sim/clock, sim/cluster, wsdl
//	     '------> sim, sim/soap, sim/scenarios, sim/cluster and fixtures, for what options are made of, and verdicts: users, knobs, names
//
// sim/control uses only what sim exports, so that a Go test, the command and a client of the API can do the same things; importing
// sim brings no API along. sim/clock, sim/cluster and wsdl use the standard library only. sim/cluster takes time as an argument: it has
// no clock, logger, network or randomness, and no goroutine but those that help to make a large cluster and are gone when it is made. A
// package from elsewhere has one address: gorilla/mux is in sim/http.go and sim/control,
// gofakeit in fixtures, YAML and XPath in sim/scenarios, cobra and fsnotify in cmd/risim. policy_test.go holds this picture as a table and says what breaks it.
//
// # One request
//
//  1. http.go: the listener's server, then the router; every answer is the service's, the 404 too
//  2. soap: who is it, what does it ask, may it ask again already
//  3. cluster: one load of the present snapshot, which answers everything
//  4. soap: the bytes of the answer, finished, then written at once
//  5. ring.go: the exchange, as the service saw it, into the journal; filter.go and export.go are for reading it
//  6. impair.go: only when impairments are in force; whom they hit is decided within 2, and the answer is sent by them after 5
//
// State is one immutable value. Requests read it without a lock; [Simulator.Apply] builds the next one, publishes it and
// notes it in the journal under one lock, so that the journal's order is the order of states.
//
// # Two words
//
// A fault is a SOAP fault that a real Unified CM would send. An impairment is trouble that the simulator injects. A node
// that is down is neither: it is state.
package sim
