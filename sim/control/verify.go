package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/risim/risim/sim"
)

// Verify says what is expected of the requests that have come, and how long may be waited for it.
type Verify struct {
	sim.Expected
	Within  *Duration `json:"within,omitempty" doc:"Wait until it is so, for this much simulated time at the most. Judged at once when neither this nor timeout is given."`
	Timeout *Duration `json:"timeout,omitempty" doc:"Wait by the wall for so long at the most, up to 10m; 30s when only within is given. With a manual clock time stands still meanwhile, unless somebody advances it."`
}

// Verification is what became of a Verify.
type Verification struct {
	Outcome string         `json:"outcome" enum:"pass,fail,inconclusive" doc:"Whether it is so; inconclusive when the journal no longer has requests on which that depends."`
	Want    string         `json:"want" doc:"What was expected, in words."`
	Why     string         `json:"why" doc:"What was seen."`
	Time    Time           `json:"time" doc:"Simulated time of the judgement."`
	Count   int            `json:"count" doc:"How many requests of those in the journal match."`
	Missing uint64         `json:"missing,omitempty" doc:"How many requests that could have matched, at the most, are not in the journal any more."`
	Matches []uint64       `json:"matches,omitempty" doc:"Numbers of the entries that match, the last 100 of them."`
	Nearest []sim.NearMiss `json:"nearest,omitempty" doc:"When too few match, the requests that match least badly, and in what each differs."`
}

const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = 10 * time.Minute
)

type verifyIn struct {
	inCluster
	Body Verify `body:"json"`
}

func verify(c *call, in *verifyIn) (Verification, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Verification{}, err
	}
	b := in.Body
	wait, within := defaultTimeout, time.Duration(0)
	if b.Timeout != nil {
		if wait = time.Duration(*b.Timeout); wait > maxTimeout {
			return Verification{}, wrong(ProblemInvalid, []Wrong{{Pointer: "/timeout", Detail: fmt.Sprintf("%q is longer than %s", b.Timeout, Duration(maxTimeout))}})
		}
	}
	if b.Within != nil {
		within = time.Duration(*b.Within)
	}
	var v sim.Verification
	if b.Within == nil && b.Timeout == nil {
		v, err = one.sim.Verify(b.Expected)
	} else {
		ctx, cancel := context.WithTimeout(c.r.Context(), wait)
		defer cancel()
		v, err = one.sim.VerifyWithin(ctx, b.Expected, within)
	}
	if err != nil {
		return Verification{}, wrong(ProblemInvalid, each(err))
	}
	return Verification{v.Outcome.String(), v.Want, v.Why, Time{v.At}, v.Count, v.Missing, v.Matches, v.Nearest}, nil
}

// each is every line of an error.
func each(err error) []Wrong {
	var out []Wrong
	for line := range strings.Lines(err.Error()) {
		out = append(out, Wrong{Detail: strings.TrimSuffix(line, "\n")})
	}
	return out
}

func getAdvice(c *call, in *inCluster) (sim.AdviceReport, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return sim.AdviceReport{}, err
	}
	return one.sim.Advice(), nil
}

type explainIn struct {
	inCluster
	Body sim.ExplainRequest `body:"json"`
}

func explain(c *call, in *explainIn) (sim.Explained, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return sim.Explained{}, err
	}
	out, err := one.sim.Explain(in.Body)
	if err != nil {
		return out, wrong(ProblemInvalid, each(err))
	}
	return out, nil
}
