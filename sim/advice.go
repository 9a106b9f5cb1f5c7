package sim

import (
	"fmt"
	"strings"

	"github.com/risim/risim/sim/soap"
)

// AdviceReport is the advice of a whole run, by client: who comes from one address, as one user, with one User-Agent.
type AdviceReport struct {
	Advice    []soap.ClientAdvice `json:"advice" doc:"By client, in the order in which the first of each came."`
	Forgotten int                 `json:"forgotten,omitempty" doc:"Clients that are not remembered any more: the last 1,000 are."`
}

// Advice sums the advice up to now, whatever the journal still holds. It includes answers that were cut off and have not been followed by a
// narrower query yet; they are pending.
func (s *Simulator) Advice() AdviceReport {
	list, forgotten := s.service.Advised()
	if list == nil {
		list = []soap.ClientAdvice{}
	}
	return AdviceReport{list, forgotten}
}

// String is a line for each client and advice, and below it what to do instead; "no advice" when there is none.
func (r AdviceReport) String() string {
	var b strings.Builder
	for _, a := range r.Advice {
		fmt.Fprintf(&b, "%s  %s  %s  %s (%s)\n  %s\n", a.Client(), a.ID, a.Times(), a.Text, a.Rule, a.Fix)
	}
	if r.Forgotten > 0 {
		fmt.Fprintf(&b, "%d clients are not remembered any more\n", r.Forgotten)
	}
	if b.Len() == 0 {
		return "no advice\n"
	}
	return b.String()
}
