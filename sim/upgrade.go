package sim

import (
	"fmt"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// Upgrade is the firmware download of one device as it goes by in time (rule V3): Upgrading at once; Successful when
// the download is done, and UnRegistered for the reset; Registered again after it, with ActiveLoadID and InactiveLoadID
// exchanged. With a Failure it ends Failed instead, and nothing is reset.
type Upgrade struct {
	Device       cluster.DeviceName
	Load, Server string        // the new load, and where it comes from
	Download     time.Duration // how long the download takes, in simulated time; 0 means four minutes
	Reset        time.Duration // how long the device then is away; 0 means forty seconds
	Failure      string        // DownloadFailureReason; "" means that the download succeeds
}

// Upgrade begins a firmware download; the clock does the rest. It fails when the device is not registered, or a time
// is negative. What can no longer happen later, because the device was removed meanwhile, say, ends the upgrade and is
// logged.
func (s *Simulator) Upgrade(u Upgrade) error {
	if u.Download < 0 || u.Reset < 0 {
		return fmt.Errorf("upgrade of %q: download %v and reset %v must not be negative", u.Device, u.Download, u.Reset)
	}
	if u.Download == 0 {
		u.Download = 4 * time.Minute
	}
	if u.Reset == 0 {
		u.Reset = 40 * time.Second
	}
	if err := s.Apply(cluster.BeginDownload{Device: u.Device, Load: u.Load, Server: u.Server}); err != nil {
		return err
	}
	name := fmt.Sprintf("upgrade of %s", u.Device)
	step := func(at time.Time, do func(now time.Time) error) {
		s.clock.At(at, name, func(now time.Time) {
			if err := do(now); err != nil {
				s.options.Logger.Warn("upgrade ended early", "device", u.Device, "error", err)
			}
		})
	}
	step(s.Now().Add(u.Download), func(now time.Time) error {
		done := []cluster.Change{cluster.EndDownload{Device: u.Device, Failure: u.Failure}}
		if u.Failure == "" {
			done = append(done, cluster.Unregister{Device: u.Device, Reason: cluster.CallManagerReset})
		}
		if err := s.Apply(done...); err != nil || u.Failure != "" {
			return err
		}
		step(now.Add(u.Reset), func(time.Time) error {
			return s.Apply(cluster.ActivateLoad{Device: u.Device})
		})
		return nil
	})
	return nil
}
