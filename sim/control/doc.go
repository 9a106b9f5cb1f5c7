// Package control is the operator's side of risim: an HTTP API to see and change simulated clusters while they run, and to make and
// end them, from any language.
//
//	host := control.NewHost(control.HostOptions{Wall: wall})
//	api, err := control.Start(host, control.Options{Listen: "127.0.0.1:8480"})
//	// PUT  /api/v1/clusters/t1            {"ready": "branch", "clock": "manual"}
//	// POST /api/v1/clusters/t1/changes    {"node.stop": "cucm-sub1"}
//	// POST /api/v1/clusters/t1/clock/advance {"by": "5m"}
//
// The table in routes.go is all that there is, and the OpenAPI document at /api/v1/openapi.json is made of it. Beside it there are
// /healthz, /readyz and /metrics. A change is said in the words of the scenario language (see package scenarios).
//
// # Promises
//
//   - Every change has a dry run (?dryRun=true), and answers with the simulated time, the version of the snapshot afterwards and the
//     numbers of its entries in the journal.
//   - A change that is not the same when it is made twice can be guarded: with If-Match, and the ETag of an answer, nothing happens
//     when the cluster has changed meanwhile (412).
//   - What is refused is answered as application/problem+json, with everything that is wrong and where; nothing is done by half.
//     Fields and parameters that do not exist are errors.
//   - Passwords go in and never come out.
//   - Clusters share nothing but the certificate authority: tests that have one each cannot disturb each other.
//
// # Who may use it
//
// guard.go says it: only this machine unless Listen says otherwise, then with a token; and no page of another site in any case. The
// API itself speaks HTTP without TLS: on a network that is not trusted, put something that does in front of it.
//
// # Clusters
//
// A [Host] holds the clusters of a process. Those that the API makes have a lease, which ends them when whoever made them is gone.
// A small one takes a millisecond to make, and between 100 and 200 KiB.
package control
