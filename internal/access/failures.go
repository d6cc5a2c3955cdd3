package access

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// freeFailures is how often an address may fail to log in at once.
	freeFailures = 10
	// failureEvery is how often it may fail for long.
	failureEvery = 6 * time.Second
	// maxDebt is how long an address waits at most, however often it failed.
	maxDebt = 2 * freeFailures * failureEvery
	// maxFailing bounds the addresses that are known to fail.
	maxFailing = 10_000
)

// failures slows down the guessing of passwords, by address.
type failures struct {
	mu sync.Mutex
	// debts is, by address, when its failures will have been forgotten.
	debts map[netip.Addr]time.Time
}

// wait is how long addr must wait before it may try again.
func (f *failures) wait(addr netip.Addr, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	debt, ok := f.debts[household(addr)]
	if !ok {
		return 0
	}
	return max(0, debt.Sub(now)-(freeFailures-1)*failureEvery)
}

// add counts a failure, and tells whether addr has not failed too often yet.
func (f *failures) add(addr netip.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.debts == nil {
		f.debts = make(map[netip.Addr]time.Time)
	}
	if len(f.debts) >= maxFailing {
		for a, debt := range f.debts {
			if debt.Before(now) {
				delete(f.debts, a)
			}
		}
		if len(f.debts) >= maxFailing {
			clear(f.debts) // so many at a time are no guesses of one
		}
	}
	addr = household(addr)
	debt := f.debts[addr]
	if debt.Before(now) {
		debt = now
	}
	debt = debt.Add(failureEvery)
	if last := now.Add(maxDebt); debt.After(last) {
		debt = last
	}
	f.debts[addr] = debt
	return debt.Sub(now) <= freeFailures*failureEvery
}

// household is what one subscriber has: of IPv6 that is a /64.
func household(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
