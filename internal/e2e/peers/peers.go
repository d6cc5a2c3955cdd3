// Package peers finds the syslog programs of others that dalog is tested and
// measured against. scripts/peers.sh brings them.
package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Peer is a program that can be run.
type Peer struct {
	Name string
	Path string
	// Modules is the folder with the program's plug-ins; empty for a program
	// that finds its own.
	Modules string

	libraries []string // folders for the dynamic linker
}

// daemons are the peers that are unpacked and not installed: the program, and
// a plug-in that marks the folder where they all are.
var daemons = map[string]struct{ program, plugin string }{
	"syslog-ng": {"usr/sbin/syslog-ng", "usr/lib/syslog-ng/*/libaffile.so"},
	"rsyslog":   {"usr/sbin/rsyslogd", "usr/lib/*/rsyslog/imtcp.so"},
	"logrotate": {"usr/sbin/logrotate", "usr/sbin/logrotate"}, // which has none
	"nginx":     {"usr/sbin/nginx", "usr/sbin/nginx"},
	"chromium":  {"usr/lib/chromium/chromium", "usr/lib/chromium/resources.pak"},
}

// Find returns the peer of that name: "syslog-ng", "rsyslog", "logrotate", "nginx", or any
// program in the path. The error says what to do to get it.
func Find(name string) (*Peer, error) {
	daemon, unpacked := daemons[name]
	if !unpacked {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, fmt.Errorf("%s is missing: run scripts/peers.sh", name)
		}
		return &Peer{Name: name, Path: path}, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "peers", name)
	path := filepath.Join(dir, daemon.program)
	if _, err := os.Stat(path); err != nil {
		// A system without apt may have it installed all the same.
		if path, err := exec.LookPath("/" + daemon.program); err == nil {
			return &Peer{Name: name, Path: path}, nil
		}
		return nil, fmt.Errorf("%s is missing: run scripts/peers.sh", name)
	}
	plugins, err := filepath.Glob(filepath.Join(dir, daemon.plugin))
	if err != nil || len(plugins) != 1 {
		return nil, fmt.Errorf("%s is incomplete: remove %s and run scripts/peers.sh", name, dir)
	}
	p := &Peer{Name: name, Path: path, Modules: filepath.Dir(plugins[0])}
	for _, pattern := range []string{"lib/*", "usr/lib/*", "usr/lib/*/pulseaudio"} {
		folders, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		p.libraries = append(p.libraries, folders...)
	}
	return p, nil
}

// Command is the program with those arguments, ready to be started.
func (p *Peer) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.Path, args...)
	if env := p.Env(); len(env) > 0 {
		cmd.Env = append(os.Environ(), env...)
	}
	return cmd
}

// Env is what the program's environment needs besides the usual.
func (p *Peer) Env() []string {
	if len(p.libraries) == 0 {
		return nil
	}
	return []string{"LD_LIBRARY_PATH=" + strings.Join(p.libraries, ":")}
}

// Cache is the folder where what peers.sh fetched is unpacked.
func Cache() (string, error) {
	dir, err := cacheDir()
	return filepath.Join(dir, "peers"), err
}

func cacheDir() (string, error) {
	if dir := os.Getenv("DALOG_CACHE"); dir != "" {
		return dir, nil
	}
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, ".cache"), nil
}

// ModuleRoot is the checkout: the closest folder above the working folder that
// has a go.mod.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod in or above the working folder")
		}
		dir = parent
	}
}
