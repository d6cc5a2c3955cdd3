package main

import (
	"fmt"
	"time"

	"github.com/dalog-project/dalog/internal/cli"
	"github.com/dalog-project/dalog/internal/httpindex"
)

// searchFlags bound what those cost who search and follow.
type searchFlags struct {
	SearchMax       int           `group:"Searching" placeholder:"N" default:"32" help:"Searches at a time. Who comes past them waits two seconds and is then told to come again (429)."`
	SearchTime      time.Duration `group:"Searching" placeholder:"TIME" default:"30s" help:"How long one search takes; its answer then says where to go on."`
	SearchScan      cli.ByteSize  `group:"Searching" placeholder:"SIZE" default:"64GiB" help:"How many bytes of lines one search looks through; its answer then says where to go on."`
	SearchLines     int           `group:"Searching" placeholder:"N" default:"10000" help:"Most lines of one answer in JSON."`
	SearchCores     int           `group:"Searching" placeholder:"N" default:"0" help:"Processors that all searches together use. 0: all there are."`
	FollowMax       int           `group:"Searching" placeholder:"N" default:"200" help:"Clients that follow log files at a time; more are refused (429)."`
	FollowMaxOfPeer int           `name:"follow-max-per-peer" group:"Searching" placeholder:"N" default:"20" help:"Of them, those of one address."`
	FollowRate      cli.ByteSize  `group:"Searching" placeholder:"SIZE" default:"64MiB" help:"Bytes a second that all who follow get together. Who falls 16 MiB behind is told what was left out and goes on near the end."`
}

// leastFollowRate lets one line of the usual size through in good time.
const leastFollowRate = 64 << 10

func (f *searchFlags) check() error {
	switch {
	case f.SearchMax < 1 || f.SearchLines < 1 || f.FollowMax < 1 || f.FollowMaxOfPeer < 1:
		return fmt.Errorf("--search-max, --search-lines, --follow-max and --follow-max-per-peer must be 1 or more")
	case f.SearchTime < time.Millisecond:
		return fmt.Errorf("--search-time must be a time such as 30s")
	case f.SearchScan < 1<<20:
		return fmt.Errorf("--search-scan must be 1MiB or more")
	case f.SearchCores < 0:
		return fmt.Errorf("--search-cores must be 0 or more")
	case f.FollowRate < leastFollowRate:
		return fmt.Errorf("--follow-rate must be 64KiB or more")
	}
	return nil
}

func (f *searchFlags) limits() httpindex.Limits {
	return httpindex.Limits{
		Searches: f.SearchMax, Time: f.SearchTime, Scan: int64(f.SearchScan), Lines: f.SearchLines,
		Followers: f.FollowMax, FollowersOfPeer: f.FollowMaxOfPeer, FollowRate: int64(f.FollowRate),
	}
}
