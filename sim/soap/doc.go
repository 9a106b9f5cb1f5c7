// Package soap is RisPort70 on the wire: it authenticates and throttles requests, decodes them, asks a
// [cluster.Snapshot], and encodes the answer or the fault.
//
//	service, err := soap.New(soap.Config{
//		Store: store, // a *cluster.Store
//		Users: []soap.User{{Name: "administrator", Password: "risim"}},
//		WSDL:  wsdl.WithAddress,
//		Now:   clock.Now,
//	})
//	http.Handle(soap.Path, service.Handler(""))
//
// How it behaves where evidence about the real service conflicts is a matter of [Settings]: a profile, and knobs over
// it. [Knobs] lists them. What a client does that works here and may hurt elsewhere is an [Advice] on the [Exchange],
// and never changes the answer.
//
// What is promised: a [Service] may be used from any number of goroutines. A request reads one snapshot and nothing
// else of the cluster. Given the same seed, the same requests at the same simulated times get the same bytes. A
// request body is bounded, no entity is expanded and nothing is fetched. Nothing here starts a goroutine, reads the
// wall clock or logs.
//
// The files, by the question that a reader has: what a request may look like (decode*.go, scan.go, charset.go,
// request.go), what its values mean (criteria.go, stateinfo.go), what an answer looks like (encode.go, fault.go,
// page.go), who may ask (auth.go, session.go) and how often (throttle.go), what can be set (settings.go), what is
// remarked on (advice.go, clients.go), why an answer is as it is (explain.go), and how it all goes together (service.go, handler.go).
package soap
