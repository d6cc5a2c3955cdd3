package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dalog-project/dalog/internal/cli"
)

// account is whom dalogd runs as, and whom the log files belong to.
type account struct {
	name     string
	uid, gid int
	groups   []int // besides gid
}

// defaultUser is whom docassemble's log files belong to.
const defaultUser = "www-data"

// findAccount reads --user: USER[:GROUP], by name or number. It is nil where
// dalogd stays who it is: started by another user than root, told to stay root,
// or told nothing where there is no www-data.
func findAccount(s string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	name, group, hasGroup := strings.Cut(s, ":")
	if s == "" {
		name = defaultUser
	}
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if _, numErr := strconv.ParseUint(name, 10, 31); err != nil && numErr == nil && hasGroup {
		u, err = &user.User{Uid: name, Gid: group, Username: name}, nil
	}
	switch {
	case err != nil && s == "":
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("--user: there is no user %q; write USER, USER:GROUP or UID:GID", name)
	}
	a := &account{name: u.Username}
	if a.uid, err = strconv.Atoi(u.Uid); err != nil {
		return nil, fmt.Errorf("--user: user id %q is not a number", u.Uid)
	}
	if ids, err := u.GroupIds(); err == nil { // without /etc/group there are none
		for _, id := range ids {
			if n, err := strconv.Atoi(id); err == nil {
				a.groups = append(a.groups, n)
			}
		}
	}
	gid := u.Gid
	if hasGroup {
		gid = group
		if g, err := user.LookupGroup(group); err == nil {
			gid = g.Gid
		}
	}
	if a.gid, err = strconv.Atoi(gid); err != nil || a.gid < 0 {
		return nil, fmt.Errorf("--user: there is no group %q", group)
	}
	if a.uid == 0 {
		return nil, nil
	}
	return a, nil
}

// become gives up all rights of root for good: user, groups and capabilities of
// every thread.
func (a *account) become() error {
	groups := slices.DeleteFunc(slices.Clone(a.groups), func(id int) bool { return id == a.gid })
	err := syscall.Setgroups(groups)
	if err == nil {
		err = syscall.Setresgid(a.gid, a.gid, a.gid)
	}
	if err == nil {
		err = syscall.Setresuid(a.uid, a.uid, a.uid)
	}
	if err != nil {
		return &cli.ExitError{Code: cli.ExitNoRight, Err: fmt.Errorf("cannot become user %s: %w. Allow it (capabilities SETUID and SETGID), start dalogd as that user, or stay root with --user root", a.name, err)}
	}
	if syscall.Setuid(0) == nil {
		return errors.New("the rights of root cannot be given up on this system: start dalogd as the user that it is to be, or stay root with --user root")
	}
	return nil
}
