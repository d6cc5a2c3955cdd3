package logstore

import (
	"errors"
	"io/fs"
	"strings"
	"time"
)

// asidePrefix begins the names of folders with states that did not belong to the
// files beside them, behind which is the time. keepAside is how many are kept.
const (
	asidePrefix = "aside-"
	keepAside   = 3
)

// setAside moves the state to a folder of its own.
func (s *Store) setAside(why ...any) error {
	dir := asidePrefix + time.Now().UTC().Format("20060102T150405.000000000")
	if err := s.state.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{walDir, checkpointName, checkpointOld, checkpointNew} {
		if err := s.state.Rename(name, dir+"/"+name); ignoreMissing(err) != nil {
			return err
		}
	}
	if err := errors.Join(s.state.SyncDir(dir), s.state.SyncDir(".")); err != nil {
		return err
	}
	if err := s.pruneAside(); err != nil {
		return err
	}
	s.log.Error("the state does not belong to the files of the log folder and is set aside; a new store begins behind what is there, and forwarders go on where they are",
		append(why, "set_aside", dir)...)
	return s.makeState()
}

// pruneAside removes all but the newest folders of states set aside.
func (s *Store) pruneAside() error {
	entries, err := s.state.ReadDir(".") // by name, and so by time
	if err != nil {
		return err
	}
	var dirs []string
	for _, e := range entries {
		if e.Type.IsDir() && strings.HasPrefix(e.Name, asidePrefix) {
			dirs = append(dirs, e.Name)
		}
	}
	for _, dir := range dirs[:max(0, len(dirs)-keepAside)] {
		if err := s.removeAll(dir); err != nil {
			return err
		}
		s.log.Info("a state set aside earlier is removed", "folder", dir, "kept", keepAside)
	}
	return nil
}

// removeAll removes a folder of the state with all that it holds.
func (s *Store) removeAll(dir string) error {
	entries, err := s.state.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := dir + "/" + e.Name
		if e.Type.IsDir() {
			err = s.removeAll(name)
		} else {
			err = s.state.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return s.state.Remove(dir)
}
