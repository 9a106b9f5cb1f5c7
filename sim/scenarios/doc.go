// Package scenarios reads scenario files and runs them. A scenario is one YAML file: the cluster, what happens to it and
// when, and what must be true.
//
//	scenario: outage
//	summary: A subscriber dies, and its phones move to another.
//	seed: 42
//	cluster: default
//	timeline:
//	  - {id: dies, at: 5m, do: {node.stop: cucm-sub1}}
//	  - {after: dies, over: {p50: 20s, p99: 80s, max: 2m}, do: {devices.failover: {from: cucm-sub1, where: {group: hq}}}}
//	  - {at: 20m, do: {node.start: cucm-sub1}}
//	expect:
//	  - {id: moved, at: 8m, devices: {where: {node: cucm-sub2, status: Registered}, count: ">= 300"}}
//
// There are ready scenarios to run, to read and to copy: risim gen --list names them, package fixtures holds them.
//
// From Go:
//
//	prog, err := scenarios.Load("outage.yaml", data, options) // err tells of everything wrong with the file
//	err = prog.Check(store.Snapshot())                        // and of everything that does not fit the cluster
//	run := scenarios.Run(prog, world, clock)
//	verdicts := run.Finish()
//
// # Sections
//
// Above all, scenario (a name), summary, seed and clock (start, mode: real or manual, speed). Then five sections, each of
// which may be left out: service (profile, users, and any knob), cluster (what exists), impairments (standing trouble),
// timeline (what changes), expect (what must be true). A snapshot of a running simulator has the section state in place of cluster:
// how everything stands. It is written by programs, an entry a line, and comes last.
//
//	clock: {start: 2026-03-02T08:00:00Z, mode: manual}
//	service:
//	  profile: cucm-14
//	  rateLimit: 15/min
//	  users: [{name: poller, password: secret, roles: [serviceability]}]
//
// # Cluster
//
// A cluster is a ready one, by name; or a file in the scenario's folder or below, such as risim gen writes (cluster: ./site.yaml);
// or it stands there in full. The examples below are about this one:
//
//	cluster:
//	  nodes:
//	    - {name: cucm-pub, role: publisher, address: 10.10.20.1}
//	    - {name: cucm-sub1}
//	    - {name: cucm-sub2}
//	  devices:
//	    - {group: hq, count: 60, model: Cisco 8845, lines: {from: "4000"}, description: "{person}, {city}", homes: [cucm-sub1, cucm-sub2]}
//	    - {group: trunks, class: SIPTrunk, names: [TRUNK-PSTN, TRUNK-CUC], status: {choice: {Registered: 3, Unknown: 1}}}
//	  applications:
//	    - {name: cucmuser, address: 10.10.30.5, node: cucm-sub1, opens: {group: hq, share: 10%, lines: true}}
//
// A node has a name, and role (publisher or subscriber), address, address6 and state (up, down, isolated or broken). A group of
// devices has count or names, and model or class. Its macs, lines and addresses count up from from; lines may have perDevice, or
// be a list that each device has. homes are the nodes with which it registers, best first; status is how it stands, with reason;
// load is its firmware, and protocol SIP or SCCP where the model leaves it open. Whatever is not said is drawn.
//
// # Values
//
// Units are written: 250ms, 90s, 5m, 1h30m, 2d; 15/min, 2/s, 100/h; 30%. Bare numbers are counts. Names, MAC addresses and
// directory numbers are text, in quotes or not: 0012 stays 0012. Truth values are true and false; on, off, yes, no, y and n
// are refused where they are not in quotes. A * in a selector stands for any text, and case does not matter.
//
// A duration can be a distribution:
//
//	timeline:
//	  - {at: 1m, over: {p50: 20s, p99: 80s, max: 2m}, do: {devices.unregister: {where: {group: hq}, share: 10%}}}
//	  - {at: 5m, over: {uniform: [10s, 40s]}, do: {devices.register: {where: {group: hq}}}}
//	  - {at: 9m, over: {choice: {10s: 3, 60s: 1}}, do: {devices.bounce: {where: {group: hq}, count: 5}}}
//
// By percentiles it is lognormal: half of the draws are below p50, 99 of 100 below p99, and what would be above max is max.
// Draws are whole milliseconds. A choice has weights, whatever they add up to.
//
// # When
//
// A step has exactly one trigger:
//
//   - at: 5m is a time from the start
//   - every: 30s is again and again, first after one period, or at from; it needs times or until
//   - after: dies is when the step of that id has finished: its last device is done, its trouble is lifted, its churn has
//     ended; with delay, so much later. After a step that fires several times it fires as often
//   - requests: {match, from, to, every} is when clients make requests: of those that match, counted from 1, each one
//     from from to to, or each every-th; it needs to, times or until
//
// Modifiers: from and until bound every and requests (from the start; until is included), times says how often at the
// most, for says how long trouble or churn lasts, over gives each device a delay of its own.
//
//	timeline:
//	  - {every: 15m, from: 30m, times: 4, do: {devices.bounce: {where: {class: Phone}, share: 5%, away: 30s}}}
//	  - {requests: {match: {operation: selectCtiItem}, from: 3, to: 3}, do: {cti.close: {application: cucmuser}}}
//	  - {id: storm, at: 2h, for: 10m, do: {churn: {where: {group: hq}, rate: 30/min, away: {uniform: [5s, 50s]}}}}
//	  - {after: storm, delay: 1m, do: {log: "calm again"}}
//
// What falls on one instant runs in document order (impairments, timeline, expect), then in order of device names.
//
// # What
//
// A step does one thing:
//
//   - node.stop, node.start, node.isolate, node.restartRis, node.breakRis: a node
//   - devices.register (node), .unregister (reason), .reject (node, reason), .partiallyRegister (node, without),
//     .failover (from, to, reason), .fallback (reason), .bounce (away, reason), .readdress (to: a network), .login (user,
//     lines), .logout, .set (description, lines, homes, load), .remove: each with where, and share or count
//   - devices.add: a device group, as in cluster
//   - churn (rate, away, reason): devices go one by one at random, at that rate on average, and come back
//   - firmware.upgrade (load, server, takes, away, outcome, failure): each device downloads for the time that it takes,
//     and fails, or resets, is away, and runs the new load (rule V3)
//   - cti.open, .close (reason), .fail (reason), .openDevices, .closeDevices: application, by name or AppId, and node;
//     cti.open with user, address and instance makes a new connection
//   - service.set: knobs and their values
//   - user.set (name, password, roles): a user has another password or other roles, or is new; user.remove: a name. Sessions
//     go on, unless their user is gone (simulator's choice)
//   - impair: trouble, as in impairments; lift: its id
//   - log: a line in the journal; check: something that must be true now, as in expect
//
// An action is done to the devices that match and to which it can be done: only a device that is registered can
// unregister. Of these share takes each with that chance, by its own draw, and count that many. Where selects by group, name,
// class, model, status, node, protocol, number, description, load and download; status, node, load and download are
// those of the device's latest registration. Each may be a list: any of its values will do. In user, description and the
// lines of devices.login, {device} and {number} stand for the device's name and its own first number.
//
// The groups of an inline cluster are those that it names. In the ready clusters they are hq, branch-1 to branch-4 (desk
// phones, by site), jabber, atas, analog, gateways, h323, sip-trunks, cti-ports, cti-route-points, cti-remote-devices,
// voicemail, media and hunt-lists; in reference, phones.
//
//	timeline:
//	  - {at: 1m, do: {devices.readdress: {where: {name: SEP*, number: [4001, "40*7"]}, to: 10.99.0.0/16}}}
//	  - {at: 2m, do: {devices.login: {where: {number: 4002}, user: "em-{number}", lines: ["7{number}"]}}}
//	  - {at: 3m, do: {firmware.upgrade: {where: {model: Cisco 8845}, share: 25%, load: sip8845.2,
//	      takes: {p50: 4m, p99: 12m}, outcome: {choice: {Successful: 94, Failed: 6}}}}}
//	  - {at: 4m, do: {service.set: {rateLimit: 5/min, window: sliding}}}
//	  - {at: 5m, do: {devices.add: {group: new, class: Phone, names: [SEP0000000000AA], homes: [cucm-sub1]}}}
//	  - {at: 6m, do: {devices.register: {where: {group: new}}}}
//	  - {at: 7m, do: {user.set: {name: poller, password: "n3w secret"}}}
//
// # Trouble
//
// An impairment is what happens to requests: latency, dribble (bytes, every), reset and truncate (afterBytes), status (of
// HTTP), fault (a name, or code and text), malformed, stall, refuse, tls (expired or wrongName), expireSession. Latency and
// dribble go with any other but refuse, of which there is one at the most. match says which requests, by operation, node, user
// and xpath; chance how many of them. With requests it hits the ones that are counted there, from when it begins. Without a
// trigger it is in force from the start.
//
//	impairments:
//	  - {id: slow, chance: 2%, latency: {p50: 80ms, p99: 900ms, max: 2s}}
//	  - {id: cut, requests: {match: {operation: selectCmDeviceExt}, from: 20, to: 22}, reset: {afterBytes: 4096}}
//	  - {id: dark, every: 1h, for: 5m, times: 3, match: {user: poller}, status: 503}
//	  - {id: picky, match: {xpath: "//*[local-name()='DeviceClass']='Any'"}, fault: {code: "soapenv:Server", text: busy}}
//	timeline:
//	  - {at: 30m, do: {lift: slow}}
//	  - {at: 40m, for: 2m, do: {impair: {stall: 30s}}}
//	  - {at: 50m, do: {impair: {requests: {to: 3}, expireSession: true}}}
//	  - {at: 55m, for: 1m, do: {impair: {match: {node: cucm-pub}, refuse: true}}}
//
// A cluster does nothing of this by itself, so how it is done is the simulator's choice:
//
//   - Requests are all but those for the contract, refused ones too: of these operation is empty, and xpath finds nothing,
//     unless they could be read. The node is the one that receives the request, and user is as sent, with a wrong password too.
//   - What takes the answer's place (status, fault, stall, expireSession) asks nothing of the cluster, begins no session, and
//     costs nothing from the rate limit, unless countRefused is set. What changes how an answer comes costs as always.
//   - latency, stall and dribble take simulated time, and none on a manual clock. The answer is that of the moment when the
//     request came, and what is lifted meanwhile has its way with it still.
//   - reset and truncate need an answer that is longer than that: another one comes whole. truncate closes the connection after
//     it, with more promised in Content-Length. After a reset, what the client has not received yet may be lost.
//   - expireSession ends the session of the client, which then gets the session fault as often as it comes with that cookie. A
//     client that comes without a session is answered as always.
//   - malformed puts a & that stands for nothing before the last end tag.
//   - refuse and tls are about connections: of match they have the node only, and chance decides for a connection once and for
//     all. A refused connection is accepted and reset at once. One that was there before is reset when a request comes on it.
//   - When several hit one request, latencies add up; of all else the one written first has its way, and the journal says
//     so. Those put in force by hand go before those of a scenario.
//
// # What must be true
//
// An expectation is about devices (where, count), requests (match, fault, status, count), faults or advice (match,
// none, some, count). A count is 3, ">= 3", "<= 3", "> 3", "< 3", "!= 3" or 3..5. It begins at a time (at), after a step
// (after, delay) or at from; and it holds
//
//   - at that instant, for devices; for requests and the like: of all there were until then
//   - within so long: at some time in it, for devices
//   - for so long, or until a time: all through it, for devices
//   - in either, for requests and the like: of all there are in it, and it is settled as soon as no more of them could change that
//   - without any time: devices at the end of the run, everything else all through the run
//
// The verdict is pass, fail or inconclusive: a run that ended before an expectation was decided, a step that never
// fired, and requests of which there were none, when none could be bad, do not pass. While the cluster changes,
// devices are looked at every second. The ids of advice are listed by risim help advice; some need several requests of one
// client, and result-at-limit comes at the end of the run when no narrower query has followed until then.
//
//	timeline:
//	  - {id: dies, at: 5m, do: {node.stop: cucm-sub1}}
//	expect:
//	  - {id: all-there, from: 0s, until: 5m, devices: {where: {group: hq, status: Registered}, count: ">= 50"}}
//	  - {id: polite, requests: {fault: rateLimit, count: 0}}
//	  - {id: polls-on, after: dies, for: 5m, requests: {match: {operation: selectCmDevice}, count: 1..20}}
//	  - {id: backs-off, after: dies, advice: {none: [state-info-of-another-query]}}
//
// # Running
//
// risim check tells what is wrong with a file, and with --timeline what it does. risim serve runs it until it is interrupted.
// risim run runs a command against it, and tells whether what is expected came: see risim run --help. A clock that is manual
// stands still while the command runs, and is then moved to the end of the scenario.
//
// An editor that knows YAML completes, explains and checks what you type, once risim check --schema >risim.schema.json has made a
// schema and the first line of the scenario names it:
//
//	# yaml-language-server: $schema=risim.schema.json
//	scenario: first
//	cluster: default
//
// # Chance
//
// Nothing is drawn from a stream. Each draw follows from the seed, the step, the device, which time the step fires, and what
// is drawn: so a step or a device more changes nothing else. A step is known by its id or, without one, by what it
// says, so that only giving it other words gives it other draws. Count takes the lowest draws, so a device more may
// take the place of one; churn is a rate of all devices together, so a device more takes its part of it.
//
// # Changing a scenario that runs
//
// [Running.Replace] goes on with a file that was edited, by difference; [Running.Differences] tells beforehand of what. Entries
// of impairments, timeline and expect are known by their id or, without one, by what they say, and not by their place. In short: what
// is unchanged does not notice; the rest does what it would still do if the file had always said so.
//
//   - Unchanged: a step keeps what it has done and its time, trouble its count of requests, an expectation what it has seen.
//   - New: times that have passed are past, and what would have happened then does not. Trouble and churn that would be going on
//     begin now. What counts requests counts those from now on. An expectation watches what is left of its time, its verdict says
//     since when, and it is inconclusive when nothing is left.
//   - Changed, under the same id: as if new, but what has fired does not fire again for that time. A firing that has begun ends
//     as it began; trouble and churn go over to what the file says now.
//   - Gone: it does not happen any more, its trouble is lifted, its churn ends. A device that has begun something ends it: it comes
//     back, or its download ends. One whose turn has not come stays as it is.
//
// # Promises and limits
//
//   - A Program that exists can run, and never changes. [Load], [Program.Check] and [Program.Timeline] have no side
//     effects, and are safe for concurrent use, as is [Running].
//   - The same program, cluster and requests give the same events, on every machine.
//   - A file has at most 1 MiB, aliases stand for at most 10,000 values, and a scenario comes to at most 5,000,000 events.
//   - Nothing is executed and nothing is fetched: there is no scripting. What the language cannot say, Go can.
package scenarios
