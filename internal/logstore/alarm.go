package logstore

import (
	"sync/atomic"
	"time"
)

// alarmEvery is how often a lasting trouble is logged.
const alarmEvery = time.Minute

// An alarm keeps a lasting trouble from filling the program's log.
type alarm struct{ last atomic.Int64 } // Unix nanoseconds

// due reports whether the trouble should be logged again.
func (a *alarm) due() bool {
	now, last := time.Now().UnixNano(), a.last.Load()
	return now-last >= int64(alarmEvery) && a.last.CompareAndSwap(last, now)
}
