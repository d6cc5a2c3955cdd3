package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The tests take minutes and want root and Debian: `make packages-test`.

// dist makes a release into a folder of its own.
func dist(t *testing.T, version string) *release {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	r := &release{root: root, out: filepath.Join(t.TempDir(), "dist"), version: version, mtime: time.Unix(1764000000, 0).UTC()}
	if err := r.make(); err != nil {
		t.Fatal(err)
	}
	return r
}

// need skips a test where a program is missing; CI has them all.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s (apt-get install %[1]s)", p)
		}
	}
}

// sh runs a script that stops at the first error.
func sh(t *testing.T, script string, env ...string) string {
	t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// Two runs give the same bytes, wherever the results go.
func TestReproducible(t *testing.T) {
	a, b := dist(t, "v1.2.3-4-gabc"), dist(t, "v1.2.3-4-gabc")
	n := 0
	err := filepath.WalkDir(a.out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(a.out, path)
		one, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		two, err := os.ReadFile(filepath.Join(b.out, rel))
		if err != nil {
			return err
		}
		if !bytes.Equal(one, two) {
			t.Errorf("%s differs", rel)
		}
		n++
		return nil
	})
	if err != nil || n != 15 {
		t.Fatalf("%d files: %v", n, err)
	}
	sh(t, "cd $D && sha256sum --quiet -c SHA256SUMS && ls | sort", "D="+a.out)
	if out := sh(t, "file $D/linux-*/* 2>/dev/null || true", "D="+a.out); strings.Contains(out, "dynamically") {
		t.Errorf("not static: %s", out)
	}
	version := sh(t, "$D/linux-"+runtime.GOARCH+"/dalogd --version", "D="+a.out)
	if !strings.HasPrefix(version, "v1.2.3-4-gabc (go1.") {
		t.Errorf("version %q", version)
	}
}

func TestPackageVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v1.2.3-4-gabc": "1.2.3+4.gabc", "895f397": "0.0.0+895f397", "895f397-dirty": "0.0.0+895f397.dirty",
	} {
		if got := packageVersion(version); got != want {
			t.Errorf("%s: %s, not %s", version, got, want)
		}
	}
}

// The units are sound, and hardened.
func TestUnits(t *testing.T) {
	need(t, "systemd-analyze")
	root := t.TempDir()
	sh(t, `mkdir -p $ROOT/usr/bin $ROOT/bin $ROOT/usr/lib/systemd/system $ROOT/etc
		cp systemd/* $ROOT/usr/lib/systemd/system/
		cp -r /usr/lib/systemd/system/*.target $ROOT/usr/lib/systemd/system/
		for p in /usr/bin/dalogd /usr/bin/dalogfwd /bin/kill; do printf '#!/bin/sh\n' >$ROOT$p; chmod 755 $ROOT$p; done`, "ROOT="+root)
	units, err := filepath.Glob("systemd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range units {
		name := filepath.Base(unit)
		out := sh(t, "systemd-analyze verify --root=$ROOT --man=no $UNIT 2>&1", "ROOT="+root, "UNIT="+name)
		for line := range strings.Lines(out) {
			if strings.Contains(line, "dalog") {
				t.Errorf("%s: %s", name, line)
			}
		}
		if strings.HasSuffix(name, ".service") {
			score := sh(t, "systemd-analyze security --offline=true --threshold=20 --no-pager $UNIT | tail -1", "UNIT="+unit)
			t.Log(name, strings.TrimSpace(score))
		}
	}
}

// cacheDir is where archives of root folders are kept.
func cacheDir() string {
	if dir := os.Getenv("DALOG_CACHE"); dir != "" {
		return dir
	}
	dir, _ := filepath.Abs("../.cache")
	return dir
}

// debian makes a root folder with a minimal Debian in it; the unpacked one is
// kept as an archive in the cache.
func debian(t *testing.T) string {
	t.Helper()
	need(t, "debootstrap", "unshare", "tar")
	root := filepath.Join(t.TempDir(), "root")
	sh(t, `mkdir -p $CACHE $ROOT
		if [ ! -f $CACHE/debian.tar ]; then
			. /etc/os-release
			mirror=$(grep -rhE '^(URIs:|deb )' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?$' | head -1 || true)
			debootstrap --variant=minbase $VERSION_CODENAME $ROOT "${mirror:-http://deb.debian.org/debian}" >&2
			tar -C $ROOT --exclude=./var/cache/apt/archives/\* -cf $CACHE/debian.tar.$$ . && mv $CACHE/debian.tar.$$ $CACHE/debian.tar
		else
			tar -C $ROOT -xf $CACHE/debian.tar
		fi`, "CACHE="+cacheDir(), "ROOT="+root)
	return root
}

// inside runs a script in a root folder, with processes and mounts of its own
// that end with it.
func inside(t *testing.T, root, script string) string {
	t.Helper()
	return sh(t, `unshare --mount --pid --net --fork --kill-child chroot $ROOT /bin/bash -euo pipefail -c '
		mount -t proc proc /proc
		exec 3<>/dev/null
		eval "$SCRIPT"'`, "ROOT="+root, "SCRIPT="+script)
}

// The Debian packages are installed, upgraded, removed and purged: the operator's
// settings survive the upgrade, lines survive everything.
func TestDebianPackages(t *testing.T) {
	root := debian(t)
	for i, version := range []string{"v1.0.0", "v1.1.0"} {
		r := dist(t, version)
		sh(t, fmt.Sprintf("mkdir -p $ROOT/v%d && cp $D/*_%s.deb $ROOT/v%[1]d/", i+1, runtime.GOARCH), "ROOT="+root, "D="+r.out)
	}
	// send and fetch speak with a dalogd on high ports, as the package's user.
	const helpers = `
		run() {
			install -d -o dalog -g dalog -m 750 /var/log/dalog
			setpriv --reuid=dalog --regid=dalog --init-groups dalogd --syslog 127.0.0.1:5140 --http 127.0.0.1:8080 2>/tmp/said & pid=$!
			for i in $(seq 200); do grep -q msg=ready /tmp/said && return; sleep 0.05; done
			cat /tmp/said; return 1
		}
		send() { exec 4<>/dev/tcp/127.0.0.1/5140; echo "<13>app: $1" >&4; exec 4>&-; for i in $(seq 200); do grep -qs "$1" /var/log/dalog/app.log && return; sleep 0.05; done; return 1; }
		halt() { dalogd status; dalogd healthcheck --http 127.0.0.1:8080; kill $pid; wait $pid; }
		`
	inside(t, root, helpers+`
		dpkg -i /v1/*.deb
		id dalog; id dalogfwd
		dalogd --version | grep -q '^v1.0.0 '
		dalogd check; dalogd config print | grep -q '^log_dir: /var/log/dalog .*dalogd.yaml:'
		[ "$(stat -c %U:%a /etc/dalog/dalogd.yaml)" = root:644 ]
		ls /usr/lib/systemd/system/dalogd.service /usr/share/man/man8/dalogfwd.8.gz 2>/dev/null || true
		echo 'keep_age: 90d # ours' >>/etc/dalog/dalogd.yaml`)
	out := inside(t, root, loopback+helpers+`run; send before; halt
		dpkg -i /v2/*.deb 2>&1
		dalogd --version | grep -q '^v1.1.0 '
		grep -q '# ours' /etc/dalog/dalogd.yaml
		run; send after; halt
		cat /var/log/dalog/app.log`)
	if strings.Count(out, "app: before") != 1 || strings.Count(out, "app: after") != 1 || !strings.Contains(out, "state          ok") {
		t.Errorf("lines after the upgrade:\n%s", out)
	}
	inside(t, root, `
		mkdir -p /var/lib/dalogfwd && touch /var/lib/dalogfwd/registry
		dpkg -r dalogd dalogfwd
		[ ! -e /usr/bin/dalogd ] && grep -q '# ours' /etc/dalog/dalogd.yaml && [ -e /var/lib/dalogfwd/registry ]
		dpkg -P dalogd dalogfwd
		[ ! -e /etc/dalog ] && [ ! -e /var/lib/dalogfwd ] && [ ! -e /usr/share/doc/dalogd ]
		grep -q 'app: after' /var/log/dalog/app.log`)
}

// loopback brings the interface up in a network of its own, without iproute.
const loopback = `
	perl -e 'socket(my $s, 2, 2, 0) or die; my $r = pack("a16 s x14", "lo", 1); ioctl($s, 0x8914, $r) or die "lo: $!"'
`

// The image is built without a daemon and runs as another user on a root that is
// read-only, with only the log folder to write to.
func TestImage(t *testing.T) {
	need(t, "buildah", "unshare")
	r := dist(t, "v1.0.0")
	store := t.TempDir()
	buildah := "buildah --root " + store + "/root --runroot " + store + "/run --storage-driver vfs"
	env := []string{"D=" + r.out, "STORE=" + store, "B=" + buildah, "BUILDAH_ISOLATION=chroot"}
	sh(t, `cp ../Dockerfile ../.dockerignore $D/..
		$B bud --isolation chroot --build-arg VERSION=v1.0.0 --format docker -t dalog $D/.. >&2`, env...)
	inspect := sh(t, `$B inspect --type image dalog`, env...)
	for _, want := range []string{`"User": "33:33"`, `"/bin/dalogd"`, `"healthcheck"`, `"org.opencontainers.image.version": "v1.0.0"`} {
		if !strings.Contains(inspect, want) {
			t.Errorf("the image has no %s", want)
		}
	}
	kitImage(t, env)
	out := sh(t, `
		c=$($B from dalog); m=$($B mount $c); mkdir $STORE/logs; chown 33:33 $STORE/logs
		trap '$B umount $c >/dev/null; $B rm $c >/dev/null' EXIT
		unshare --mount --pid --net --fork --kill-child bash -euo pipefail -c '
			mkdir -p "$1/proc" "$1/dev"; mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
			mount --bind $STORE/logs "$1/usr/share/docassemble/log"
			mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev" # as every runtime does
			`+strings.TrimSpace(strings.ReplaceAll(loopback, "'", `'"'"'`))+`
			box() { chroot --userspec=33:33 --groups=33 "$1" "${@:2}"; }
			DALOGD_READY_FILE=none chroot --userspec=33:33 --groups=33 "$1" /bin/dalogd --syslog 127.0.0.1:5140 2>$STORE/said & pid=$!
			for i in $(seq 200); do grep -q msg=ready $STORE/said && break; sleep 0.05; done
			grep -q msg=ready $STORE/said || { cat $STORE/said; ls -ld "$1" "$1"/*; exit 1; }
			if touch "$1/x" 2>/dev/null; then echo "the root can be written to"; exit 1; fi
			exec 4<>/dev/tcp/127.0.0.1/5140; echo "<13>app: in the image" >&4; exec 4>&-
			for i in $(seq 200); do grep -qs "in the image" $STORE/logs/app.log && break; sleep 0.05; done
			box "$1" /bin/dalogd healthcheck; box "$1" /bin/dalogd status
			stat -c "%u:%g %a" $STORE/logs/app.log
			kill $pid; wait $pid; cat $STORE/said' bash $m 2>&1`, env...)
	for _, want := range []string{"state          ok", "33:33 600", "msg=ended", "of user 33"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// kitImage builds the kit's image from dalog's and one that has docassemble's
// folders.
func kitImage(t *testing.T, env []string) {
	t.Helper()
	out := sh(t, `
		base=$($B from scratch); m=$($B mount $base)
		mkdir -p $m/usr/share/docassemble/{webapp,config} $m/usr/local/bin $m/etc/logrotate.d
		echo old >$m/usr/share/docassemble/webapp/run-syslogng.sh
		$B umount $base >/dev/null; $B commit -q $base docassemble >/dev/null; $B rm $base >/dev/null
		$B bud --isolation chroot --build-arg DOCASSEMBLE=localhost/docassemble --build-arg DALOG=localhost/dalog -t kit ../contrib/docassemble >&2
		kit=$($B from kit); m=$($B mount $kit)
		ls -l $m/usr/local/bin $m/usr/share/docassemble/webapp; cat $m/usr/share/docassemble/webapp/run-syslogng.sh
		[ ! -s $m/usr/share/docassemble/config/nginx-log.dist ] || grep -v '^#' $m/usr/share/docassemble/config/nginx-log.dist | grep . && exit 1
		ls $m/etc/logrotate.d
		$B umount $kit >/dev/null; $B rm $kit >/dev/null`, env...)
	for _, want := range []string{"dalogd\n", "dalogfwd\n", "-rwxr-xr-x", `exec "$bin/dalogfwd"`, "docassemble-app\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("kit: no %q in:\n%s", want, out)
		}
	}
}

// The RPM packages are installed, upgraded and erased, by rpm's own database in a
// root folder: users, settings and state survive what they must.
func TestRPMPackages(t *testing.T) {
	need(t, "rpm")
	root := debian(t)
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	for i, version := range []string{"v1.0.0", "v1.1.0"} {
		r := dist(t, version)
		sh(t, fmt.Sprintf("mkdir -p $ROOT/v%d && cp $D/*%s*.%s.rpm $ROOT/v%[1]d/", i+1, version[1:], arch), "ROOT="+root, "D="+r.out)
	}
	// Debian's rpm does not know what a Debian has: no dependencies are looked for.
	out := sh(t, `
		sed -i '/^dalog/d' $ROOT/etc/passwd $ROOT/etc/group
		query() { command rpm --root $ROOT --dbpath /var/lib/rpm "$@"; }
		rpm() { query --nodeps "$@"; }
		rpm -i $ROOT/v1/*.rpm
		chroot $ROOT id dalog; chroot $ROOT id dalogfwd
		chroot $ROOT dalogd --version | grep '^v1.0.0 '
		chroot $ROOT dalogd check
		rpm -V dalogd dalogfwd
		echo 'keep_age: 90d # ours' >>$ROOT/etc/dalog/dalogd.yaml
		mkdir -p $ROOT/var/lib/dalogfwd $ROOT/var/log/dalog; touch $ROOT/var/lib/dalogfwd/registry $ROOT/var/log/dalog/app.log
		rpm -U $ROOT/v2/*.rpm
		chroot $ROOT dalogd --version | grep '^v1.1.0 '
		grep '# ours' $ROOT/etc/dalog/dalogd.yaml
		[ "$(query -qa | grep -c ^dalog)" = 2 ]
		query -qc dalogd dalogfwd
		rpm -e dalogd dalogfwd
		[ ! -e $ROOT/usr/bin/dalogd ] && [ ! -e $ROOT/usr/lib/systemd/system/dalogd.service ]
		grep '# ours' $ROOT/etc/dalog/dalogd.yaml.rpmsave
		[ -e $ROOT/var/lib/dalogfwd/registry ] && [ -e $ROOT/var/log/dalog/app.log ]
		[ -z "$(query -qa)" ]`, "ROOT="+root)
	for _, want := range []string{"/etc/dalog/dalogd.yaml\n", "/etc/dalog/dalogfwd.yaml\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}
