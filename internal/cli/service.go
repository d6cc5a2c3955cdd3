package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Service tells the service manager how the program is (sd_notify(3)); where
// there is none that wants to know, its methods do nothing.
type Service struct{ Log *slog.Logger }

func (s Service) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.Log.Warn("the service manager cannot be told how things are", "err", err)
	}
}

// Ready says that the program does its work, or does it again after a reload.
func (s Service) Ready(status string) { s.tell(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// Status says how things are, in a line for people.
func (s Service) Status(status string) { s.tell("STATUS=" + status) }

// Reloading says that the configuration is being read; Ready must follow.
func (s Service) Reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	s.tell(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
}

// Stopping says that the end has begun.
func (s Service) Stopping() { s.tell(daemon.SdNotifyStopping) }

// Watch reports twice in each interval of the watchdog that the program lives,
// until ctx ends. alive looks at the program's own parts: while it hangs, nothing
// is reported, and the manager starts the program anew.
func (s Service) Watch(ctx context.Context, alive func()) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return err
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		alive()
		s.tell(daemon.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
