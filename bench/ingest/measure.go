package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// quiet is how long the files must not have grown for a run to be over; the
// time is taken at the last growth.
const quiet = 1500 * time.Millisecond

// lookEvery is how often the sizes of the files are looked at, less often where there
// are so many that it would take more than a fiftieth of the time.
const lookEvery = 5 * time.Millisecond

const stopTime = 20 * time.Second

// figures are what one run has shown.
type figures struct {
	seconds float64 // from the first byte sent to the last line in a file
	cpu     float64 // seconds of the receiver, user and system
	peak    float64 // MB of memory, at most
	lines   int     // different messages found in the files
	doubled int     // lines beyond that
}

func (f figures) rate() float64       { return float64(f.lines) / f.seconds }
func (f figures) cpuPerLine() float64 { return f.cpu * 1e6 / float64(max(f.lines, 1)) }

// measure runs send against r, waits until nothing more is written, and stops
// r.
func measure(r *receiver, n int, send func() error) (figures, error) {
	cpuBefore, err := cpuTime(r.PID())
	if err != nil {
		return figures{}, err
	}
	began := time.Now()
	s := startSending(send)
	grown, size := began, int64(0)
	pause := lookEvery
	for !s.ended() || time.Since(grown) < quiet {
		select {
		case <-r.Done():
			return figures{}, fmt.Errorf("the receiver has ended under load: %s", r.State())
		case <-time.After(pause):
		}
		looked := time.Now()
		now, err := totalSize(r.dir)
		if err != nil {
			return figures{}, err
		}
		pause = max(lookEvery, 50*time.Since(looked))
		if now != size {
			grown, size = time.Now(), now
		}
	}
	if s.err != nil {
		return figures{}, s.err
	}
	f := figures{seconds: grown.Sub(began).Seconds()}
	cpuAfter, err := cpuTime(r.PID())
	if err != nil {
		return figures{}, err
	}
	f.cpu = (cpuAfter - cpuBefore).Seconds()
	peak, err := r.PeakMemory()
	if err != nil {
		return figures{}, err
	}
	f.peak = float64(peak) / 1e6
	// What a receiver still holds back it writes when it ends.
	if err := r.Stop(stopTime); err != nil {
		return figures{}, err
	}
	f.lines, f.doubled, err = account(r.dir, n)
	return f, err
}

// cpuTime is what all threads of a process have used, to the nanosecond: the
// kernel has a clock for each process.
func cpuTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	const cpuClockSched = 2
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

func logFiles(dir string) ([]string, error) { return filepath.Glob(filepath.Join(dir, "*.log")) }

func totalSize(dir string) (int64, error) {
	files, err := logFiles(dir)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, nil
}

// account reads all files and looks for each of n messages.
func account(dir string, n int) (lines, doubled int, err error) {
	files, err := logFiles(dir)
	if err != nil {
		return 0, 0, err
	}
	seen := make([]bool, n)
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return 0, 0, err
		}
		err = eachNumber(f, func(number int) {
			if number < 0 || number >= n || seen[number] {
				doubled++
				return
			}
			seen[number] = true
			lines++
		})
		f.Close()
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	return lines, doubled, nil
}

// eachNumber calls found with the number behind the mark of each line; -1 for a
// line without one.
func eachNumber(r io.Reader, found func(number int)) error {
	buf := make([]byte, 0, 1<<20)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		done := 0
		for {
			end := bytes.IndexByte(buf[done:], '\n')
			if end < 0 {
				break
			}
			found(number(buf[done : done+end]))
			done += end + 1
		}
		if done == 0 && len(buf) == cap(buf) {
			return fmt.Errorf("a line of more than %d bytes", cap(buf))
		}
		buf = buf[:copy(buf[:cap(buf)], buf[done:])]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func number(line []byte) int {
	at := bytes.Index(line, []byte(mark))
	if at < 0 || len(line) < at+len(mark)+9 {
		return -1
	}
	n, err := strconv.Atoi(string(line[at+len(mark):][:9]))
	if err != nil {
		return -1
	}
	return n
}
