package control

import "net/http"

// Base is the path below which everything is, but for the three that monitoring systems ask for.
const Base = "/api/v1"

// The paths beside Base.
const (
	pathHealth  = "/healthz"
	pathReady   = "/readyz"
	pathMetrics = "/metrics"
	pathPprof   = "/debug/pprof/"
)

const inOne = "/clusters/{cluster}"

// routes is the one table of what the API can do: the router is made of it, and so is the OpenAPI document.
func routes() []route {
	return []route{
		op("listReady", http.MethodGet, "/ready", "clusters", "List the ready clusters and scenarios, of which clusters can be made.", listReady),
		op("listClusters", http.MethodGet, "/clusters", "clusters", "List the clusters of this process.", listClusters),
		checked("createCluster", http.MethodPost, "/clusters", "clusters",
			"Make a cluster with a service of its own. It lives until it is deleted, or its lease ends.", createCluster).
			with(http.StatusCreated, ProblemConflict, ProblemUnfit, ProblemFull, ProblemUnavailable),
		op("getCluster", http.MethodGet, inOne, "clusters", "Describe a cluster: where it is and how to use it.", getCluster).with(0, ProblemNotFound),
		checked("putCluster", http.MethodPut, inOne, "clusters",
			"Make a cluster of that name or, when it is there and was made of the same, renew its lease.", putCluster).
			with(http.StatusCreated, ProblemConflict, ProblemUnfit, ProblemFull, ProblemUnavailable),
		op("deleteCluster", http.MethodDelete, inOne, "clusters", "End a cluster and its service.", deleteCluster).with(0, ProblemNotFound, ProblemConflict),
		op("renewCluster", http.MethodPost, inOne+"/renew", "clusters", "Let a cluster's lease begin anew.", renewCluster).with(0, ProblemNotFound),

		op("getState", http.MethodGet, inOne+"/state", "state", "Show how a cluster stands: its nodes, and how many devices have which status.", getState).
			with(0, ProblemNotFound),
		op("listDevices", http.MethodGet, inOne+"/devices", "state",
			"List devices in name order, a page at a time. The parameters besides limit, cursor and records select them as where does in a scenario; "+
				"one that is given several times means any of its values.", listDevices).with(0, ProblemNotFound),
		op("getDevice", http.MethodGet, inOne+"/devices/{device}", "state", "Show a device and what each node knows of it.", getDevice).with(0, ProblemNotFound),
		op("listApplications", http.MethodGet, inOne+"/applications", "state", "List the connections of CTI applications, a page at a time.", listApplications).
			with(0, ProblemNotFound),

		op("change", http.MethodPost, inOne+"/changes", "changes",
			"Do something to the cluster, in the words of the scenario language: an action, such as {\"node.stop\": \"cucm-sub1\"}, or a step with do and over, for or id. "+
				"It may be YAML too. What is wrong with it is in the errors, and then nothing is done.", change).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),

		op("listImpairments", http.MethodGet, inOne+"/impairments", "changes", "List the trouble that is in force.", listImpairments).with(0, ProblemNotFound),
		op("addImpairment", http.MethodPost, inOne+"/impairments", "changes",
			"Put trouble in force, in the words of the section impairments of a scenario; without an id it gets one.", addImpairment).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),
		op("putImpairment", http.MethodPut, inOne+"/impairments/{id}", "changes", "Put trouble in force in place of what has that id.", putImpairment).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),
		op("liftImpairment", http.MethodDelete, inOne+"/impairments/{id}", "changes", "End trouble.", liftImpairment).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),

		op("getScenario", http.MethodGet, inOne+"/scenario", "scenario", "Show the scenario, how far it has come, and what has become of its expectations.", getScenario).
			with(0, ProblemNotFound),
		op("loadScenario", http.MethodPut, inOne+"/scenario", "scenario",
			"Go on with another scenario, or an edited one, by difference: what the author has changed changes, and nothing else. The dry run gives the plan.", loadScenario).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),
		op("startScenario", http.MethodPost, inOne+"/scenario/start", "scenario",
			"Let the scenario begin anew, now, also after its end. The cluster stays as it is: reset puts that back too.", restartScenario).
			with(0, ProblemNotFound, ProblemVersion, ProblemConflict),
		op("stopScenario", http.MethodPost, inOne+"/scenario/stop", "scenario",
			"End the scenario: what is to be judged at its end is judged, and nothing more of it happens.", stopScenario).
			with(0, ProblemNotFound, ProblemVersion, ProblemConflict),

		raw("getSnapshot", inOne+"/snapshot", "moments", "application/yaml",
			"Export how everything stands, as a scenario: risim serve starts from it, and PUT takes it back. Users, impairments and the timeline are not in it.", getSnapshot).
			with(0, ProblemNotFound),
		op("putSnapshot", http.MethodPut, inOne+"/snapshot", "moments", "Put back what was exported, of this cluster or another one with the same nodes.", putSnapshot).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),
		op("listMoments", http.MethodGet, inOne+"/moments", "moments", "List the moments that one can go back to.", listMoments).with(0, ProblemNotFound),
		op("goBack", http.MethodPost, inOne+"/back", "moments",
			"Put the cluster and its settings back as they were at a moment. Time goes on, and so does the scenario.", goBack).
			with(0, ProblemNotFound, ProblemVersion, ProblemConflict),
		op("reset", http.MethodPost, inOne+"/reset", "moments",
			"Put everything back as it was at the start: cluster, settings, users, sessions, rate limit and impairments. The scenario begins anew, now.", reset).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),

		op("getJournal", http.MethodGet, inOne+"/journal", "journal", "Show what happened, oldest first, a page at a time: requests, changes, steps and trouble.", getJournal).
			with(0, ProblemNotFound),
		raw("streamJournal", inOne+"/journal/stream", "journal", "text/event-stream",
			"Send entries as they happen, as server-sent events: with after or Last-Event-ID those since then first. An event \"dropped\" tells of entries that the reader was too slow for.", streamJournal).
			with(0, ProblemNotFound),
		raw("exportJournal", inOne+"/journal.jsonl", "journal", "application/jsonl", "Export entries as JSON, one a line.", exportLines).with(0, ProblemNotFound),
		raw("exportHAR", inOne+"/journal.har", "journal", "application/json", "Export what was sent in the requests of entries, as far as it is kept, as an HTTP archive 1.2.", exportHAR).
			with(0, ProblemNotFound),

		op("verify", http.MethodPost, inOne+"/verify", "journal",
			"Judge whether so many requests have come as are expected, or wait until they have. What was nearly right is told.", verify).with(0, ProblemNotFound),
		op("explain", http.MethodPost, inOne+"/explain", "journal",
			"Tell whether a device, an application or a line is in the answer to a request, and if not, what keeps it out. The request is one of the journal, an envelope, or criteria.", explain).
			with(0, ProblemNotFound),
		op("getAdvice", http.MethodGet, inOne+"/advice", "journal", "Sum the advice on what clients did, by client.", getAdvice).with(0, ProblemNotFound),

		op("getClock", http.MethodGet, inOne+"/clock", "clock", "Tell the simulated time.", getClock).with(0, ProblemNotFound),
		op("setClock", http.MethodPatch, inOne+"/clock", "clock", "Freeze simulated time, let it run on, or change its speed.", setClock).
			with(0, ProblemNotFound, ProblemVersion, ProblemConflict),
		op("advance", http.MethodPost, inOne+"/clock/advance", "clock",
			"Move simulated time ahead. When the answer comes, everything due on the way has happened, in order.", advance).
			with(0, ProblemNotFound, ProblemVersion, ProblemConflict),

		op("getSettings", http.MethodGet, inOne+"/settings", "service", "Show how the service behaves: every knob and its value.", getSettings).with(0, ProblemNotFound),
		op("setSettings", http.MethodPatch, inOne+"/settings", "service", "Change knobs of the service: all that are given, or none.", setSettings).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),
		op("listUsers", http.MethodGet, inOne+"/users", "service", "List who may log in.", listUsers).with(0, ProblemNotFound),
		op("setUser", http.MethodPut, inOne+"/users/{user}", "service", "Let a user log in, or change the password or the roles of one.", setUser).
			with(0, ProblemNotFound, ProblemVersion, ProblemUnfit),
		op("removeUser", http.MethodDelete, inOne+"/users/{user}", "service", "Let a user log in no longer.", removeUser).
			with(0, ProblemNotFound, ProblemVersion, ProblemConflict, ProblemUnfit),
		op("endSessions", http.MethodDelete, inOne+"/sessions", "service", "End the sessions of a user or, without one, of everybody, as if their time was over.", endSessions).
			with(0, ProblemNotFound),

		raw("openapi", "/openapi.json", "about", "application/json", "This document.", func(c *call, _ *struct{}) error {
			_, err := c.stream("application/json").Write(c.api.document())
			return err
		}),
	}
}

// beside is the routes that are not below Base.
func beside() []route {
	return []route{
		raw("health", pathHealth, "about", "text/plain", "Tell that the process lives.", func(c *call, _ *struct{}) error {
			_, err := c.stream("text/plain; charset=utf-8").Write([]byte("ok\n"))
			return err
		}),
		raw("ready", pathReady, "about", "text/plain", "Tell that every cluster answers: the service is ready from the first answer on, until the process ends.",
			func(c *call, _ *struct{}) error {
				if c.api.ending() {
					return refuse(ProblemUnavailable, "the process is ending")
				}
				_, err := c.stream("text/plain; charset=utf-8").Write([]byte("ready\n"))
				return err
			}).with(0, ProblemUnavailable),
		raw("metrics", pathMetrics, "about", "text/plain", "Metrics in Prometheus' format.", func(c *call, _ *struct{}) error {
			c.sent = true
			c.api.host.metrics.ServeHTTP(c.w, c.r)
			return nil
		}),
	}
}
