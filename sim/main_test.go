package sim_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No test of this package leaves a goroutine behind: neither a simulator that was closed, nor one that failed to start.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
