package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/logstore"
)

// keepFlags say when log files are rotated, and which closed parts are kept.
type keepFlags struct {
	RotateSize  cli.ByteSize `group:"Rotation" placeholder:"SIZE" default:"16MiB" help:"Close a log file when it has this size and begin a new one. The closed part goes to NAME.d/ and is compressed there; over HTTP it is NAME.1, the next older one NAME.2, and so on. 0: never."`
	RotateEvery period       `group:"Rotation" placeholder:"PERIOD" default:"day" help:"Close log files also at the beginning of each 'hour', 'day' or 'week' of the system's time zone, or 'never'."`
	KeepCount   int          `group:"Rotation" placeholder:"N" default:"0" help:"Closed parts that are kept of each log file. 0: any number."`
	KeepAge     age          `group:"Rotation" placeholder:"AGE" default:"30d" help:"Remove closed parts whose last line is older, as 12h, 30d or 8w. 0: never."`
	KeepBytes   cli.ByteSize `group:"Rotation" placeholder:"SIZE" default:"10GiB" help:"Remove the oldest closed parts while all log files together have more on the disk. 0: no limit."`
	KeepFree    reserve      `group:"Rotation" placeholder:"SIZE|N%" default:"5%" help:"Remove the oldest closed parts while the file system has less free space. 0: never."`
	Keep        []keepValue  `group:"Rotation" placeholder:"NAME:LIMIT=VALUE" help:"Other limits for some log files: NAME may have * and ?, the limits are count, age and bytes (of this file's parts and itself), and size and every for when it is closed; more of them are joined by colons: access*.log:age=7d:bytes=1GiB:every=hour. 0 lifts a limit. The first rule that fits counts. Repeatable."`
}

// leastRotateSize keeps parts from being smaller than what there is to say of them.
const leastRotateSize = 4 << 10

func (k *keepFlags) check() error {
	if k.RotateSize != 0 && k.RotateSize < leastRotateSize {
		return fmt.Errorf("--rotate-size must be 4KiB or more, or 0 for never")
	}
	if k.KeepCount < 0 {
		return fmt.Errorf("--keep-count must be 0 or more")
	}
	return nil
}

// apply enters the flags into the store's configuration.
func (k *keepFlags) apply(cfg *logstore.Config) {
	cfg.RotateSize, cfg.RotateEvery = int64(k.RotateSize), k.RotateEvery.Period
	cfg.Keep = logstore.Keep{Count: k.KeepCount, Age: time.Duration(k.KeepAge), Bytes: int64(k.KeepBytes)}
	cfg.KeepFree = k.KeepFree.Reserve
	cfg.KeepRules = nil
	for _, r := range k.Keep {
		cfg.KeepRules = append(cfg.KeepRules, r.KeepRule)
	}
}

// period is the value of --rotate-every.
type period struct{ logstore.Period }

func (p *period) UnmarshalText(b []byte) (err error) {
	p.Period, err = logstore.ParsePeriod(string(b))
	return err
}

// age is a duration that may be given in days or weeks.
type age time.Duration

func (a *age) UnmarshalText(b []byte) error {
	s := string(b)
	wrong := fmt.Errorf("%q is not an age such as 12h, 30d or 8w", s)
	unit := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[(" " + s)[len(s)]]
	if unit == 0 {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return wrong
		}
		*a = age(d)
		return nil
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 31)
	if err != nil || n > uint64(math.MaxInt64/unit) {
		return wrong
	}
	*a = age(time.Duration(n) * unit)
	return nil
}

// reserve is the value of --keep-free.
type reserve struct{ logstore.Reserve }

func (r *reserve) UnmarshalText(b []byte) error {
	s, isPercent := strings.CutSuffix(string(b), "%")
	if !isPercent {
		var n cli.ByteSize
		if err := n.UnmarshalText(b); err != nil {
			return fmt.Errorf("%q is neither a size such as 2GiB nor a percentage such as 5%%", s)
		}
		if n > 0 && n < 1<<20 {
			return fmt.Errorf("%q is too little to help: give 1MiB or more, or a percentage such as 5%%", s)
		}
		r.Reserve = logstore.Reserve{Bytes: int64(n)}
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v < 100) {
		return fmt.Errorf("%q is not a percentage such as 5%%", b)
	}
	r.Reserve = logstore.Reserve{Percent: v}
	return nil
}

// keepValue is one value of --keep.
type keepValue struct{ logstore.KeepRule }

func (k *keepValue) UnmarshalText(b []byte) error {
	name, rest, ok := strings.Cut(string(b), ":")
	k.Files = name
	if err := logstore.CheckKeepRule(k.KeepRule); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%q has no limits; write NAME:age=7d, NAME:count=5 or NAME:bytes=1GiB, or several as NAME:age=7d:count=5", b)
	}
	for limit := range strings.SplitSeq(rest, ":") {
		if err := k.limit(limit); err != nil {
			return err
		}
	}
	return nil
}

// limit reads one LIMIT=VALUE. 0 is no limit, which the store has as -1 in a
// rule.
func (k *keepValue) limit(s string) error {
	which, value, _ := strings.Cut(s, "=")
	var err error
	switch which {
	case "count":
		var n uint64
		if n, err = strconv.ParseUint(value, 10, 31); err != nil {
			return fmt.Errorf("%q: %q is not a number of parts", s, value)
		}
		k.Count = int(orNone(int64(n)))
	case "age":
		var a age
		err = a.UnmarshalText([]byte(value))
		k.Age = time.Duration(orNone(int64(a)))
	case "bytes":
		var n cli.ByteSize
		err = n.UnmarshalText([]byte(value))
		k.Bytes = orNone(int64(n))
	case "size":
		var n cli.ByteSize
		if err = n.UnmarshalText([]byte(value)); err == nil && n != 0 && n < leastRotateSize {
			return fmt.Errorf("%q: must be 4KiB or more, or 0 for never", s)
		}
		k.Size = orNone(int64(n))
	case "every":
		var p period
		err = p.UnmarshalText([]byte(value))
		k.Every = &p.Period
	default:
		return fmt.Errorf("%q is not a limit; write count=N, age=AGE, bytes=SIZE, size=SIZE or every=PERIOD", s)
	}
	return err
}

func orNone(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}
