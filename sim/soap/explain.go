package soap

import "github.com/risim/risim/sim/cluster"

// Explain tells whether a device is in the answer that a request would get from a snapshot, or for selectCtiItem whether an item about the
// subject is, where it stands, and if it is not, why. Users, sessions and the rate limit are left out of it; settings are those in
// force. The advice is what the request shows by itself. A fault is what the request would get instead of any answer. Of a subject that a
// request for devices is about, only Device counts.
func (s *Service) Explain(snap *cluster.Snapshot, req *Request, subject cluster.CtiSubject) (cluster.Explanation, []Advice, *Fault) {
	t := translator{req: req, set: s.settings.Load(), known: s.cfg.KnownModel}
	q := t.translate()
	switch {
	case t.fault != nil:
		return cluster.Explanation{}, t.advice, t.fault
	case q.op == SelectCtiItem:
		return snap.ExplainCti(q.cti, subject), t.advice, nil
	}
	return snap.Explain(q.device, subject.Device), t.advice, nil
}
