#!/usr/bin/env bash
# Brings the programs that the tests run dalog against, and prints one line for
# each: where it is, or what is missing and which tests that leaves out.
#
#   syslog-ng, rsyslog,   fetched and unpacked below $DALOG_CACHE/peers (default
#   logrotate, nginx,     .cache/peers in the checkout); nothing of them is
#   chromium with fonts   installed or started on the system
#   python3, curl, logger, openssl, strace, zstd, mkfs.ext4, mkfs.xfs
#                         installed by apt when missing and run as root
#
# With the argument "browser" it brings instead what `make browser` needs: chromium
# and
#
#   axe-core              from the npm registry, by npm, into $DALOG_CACHE/peers/axe-core
#
# Needs Debian or a relative of it; elsewhere the tests use what is installed.
# Exit code 0, or with CI=true 1 when anything is missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DALOG_CACHE:-$root/.cache}/peers
missing=0
updated=

have() { command -v "$1" >/dev/null 2>&1; }
apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"; }
is_root() { [ "$(id -u)" = 0 ]; }

# run_peer NAME PROGRAM ARGS...: the unpacked program, by its path, with the libraries unpacked beside it.
run_peer() {
	local dir=$cache/$1 libs
	libs=$(find "$dir/usr/lib" "$dir/lib" -maxdepth 3 -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
	LD_LIBRARY_PATH=$libs "$dir/$2" "${@:3}"
}

lost() { # lost PEER REASON TESTS
	echo "peers: $1 is missing: $2; left out: $3" >&2
	missing=1
}

# known PACKAGE: apt knows a version of it, after an update where that is needed.
known() {
	have apt-get && have dpkg || { reason="this system has no apt; install $1 by hand"; return 1; }
	if apt-cache policy "$1" 2>/dev/null | grep 'Candidate: [0-9]' >/dev/null; then return 0; fi
	if ! is_root; then reason="apt has no package lists; run 'sudo apt-get update' once"; return 1; fi
	if [ -z "$updated" ]; then
		updated=1
		apt update >&2 || { reason="apt-get update failed (see above)"; return 1; }
	fi
	apt-cache policy "$1" | grep 'Candidate: [0-9]' >/dev/null || { reason="apt knows no package $1"; return 1; }
}

# unpack NAME PACKAGES...: the packages, and those they depend on that the system
# lacks, unpacked into $cache/NAME. The folder appears complete or not at all.
unpack() {
	local name=$1 tmp=$cache/.$1.$$ wanted
	shift
	for p in "$@"; do known "$p" || return 1; done
	wanted=$(apt-get -s --no-install-recommends install "$@" 2>/dev/null | awk '/^Inst/ {print $2}')
	rm -rf "$tmp" && mkdir -p "$tmp/debs"
	fetch() { (cd "$tmp/debs" && printf '%s\n' "$@" $wanted | sort -u | xargs apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download >&2); }
	# Lists that are older than the mirror name versions it no longer has.
	if ! fetch "$@"; then
		if ! is_root || [ -n "$updated" ]; then reason="apt-get download failed (see above)"; rm -rf "$tmp"; return 1; fi
		updated=1
		apt update >&2 && fetch "$@" || { reason="apt-get download failed (see above)"; rm -rf "$tmp"; return 1; }
	fi
	for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp"; done
	rm -rf "$tmp/debs" "${cache:?}/$name"
	mv "$tmp" "$cache/$name"
}

# daemon NAME PROGRAM VERSION-FLAG TESTS PACKAGES...
daemon() {
	local name=$1 program=usr/sbin/$2 flag=$3 tests=$4
	shift 4
	if ! run_peer "$name" "$program" "$flag" >/dev/null 2>&1; then
		unpack "$name" "$@" || { lost "$name" "$reason" "$tests"; return; }
	fi
	if version=$(run_peer "$name" "$program" "$flag" 2>&1); then
		echo "peers: $name: $cache/$name (${version%%$'\n'*})"
	else
		lost "$name" "$cache/$name/$program does not run: ${version%%$'\n'*}" "$tests"
	fi
}

# tool PROGRAM PACKAGE TESTS
tool() {
	if ! have "$1"; then
		reason=
		if ! is_root; then
			reason="run 'sudo apt-get install $2'"
		elif known "$2"; then
			apt install -y --no-install-recommends "$2" >/dev/null </dev/null || reason="apt-get install $2 failed (see above)"
		fi
		if [ -n "$reason" ]; then lost "$1" "$reason" "$3"; return; fi
		hash -r
	fi
	echo "peers: $1: $(command -v "$1")"
}

# browser: the packages of Chromium with the fonts its screenshots need.
browser() {
	local program=usr/lib/chromium/chromium
	if [ ! -x "$cache/chromium/$program" ]; then
		unpack chromium chromium chromium-common fonts-dejavu-core fonts-noto-core fonts-noto-mono fonts-liberation ||
			{ lost chromium "$reason" "the pages in a browser"; return; }
	fi
	if version=$(run_peer chromium "$program" --version 2>&1); then
		echo "peers: chromium: $cache/chromium/$program (${version%%$'\n'*})"
	else
		lost chromium "$cache/chromium/$program does not run: ${version%%$'\n'*}" "the pages in a browser"
	fi
}

# axe: the accessibility checks, one file of JavaScript.
axe() {
	local version=4.10.3 tmp=$cache/.axe-core.$$
	if [ ! -s "$cache/axe-core/axe.min.js" ]; then
		have npm || { lost axe-core "run 'sudo apt-get install npm'" "the accessibility checks"; return; }
		mkdir -p "$tmp"
		(cd "$tmp" && npm pack --silent "axe-core@$version" >/dev/null && tar -xzf axe-core-*.tgz package/axe.min.js) ||
			{ rm -rf "$tmp"; lost axe-core "npm pack axe-core@$version failed (see above)" "the accessibility checks"; return; }
		mkdir -p "$cache/axe-core" && mv "$tmp/package/axe.min.js" "$cache/axe-core/" && rm -rf "$tmp"
	fi
	echo "peers: axe-core: $cache/axe-core/axe.min.js"
}

mkdir -p "$cache"
reason=
if [ "${1:-}" = browser ]; then
	browser
	axe
	exit "$missing"
fi
daemon syslog-ng syslog-ng --version "interop with syslog-ng, byte equality, forwarding to syslog-ng" syslog-ng-core
daemon rsyslog rsyslogd -v "interop with rsyslog" rsyslog rsyslog-relp
browser
tool logger bsdutils "interop with util-linux logger"
tool python3 python3 "interop with Python's SysLogHandler, the Logs page"
tool curl curl "reading with curl"
tool openssl openssl "RELP over TLS"
daemon logrotate logrotate --version "log files rotated by logrotate" logrotate
daemon nginx nginx -v "make bench-serve" nginx
tool rg ripgrep "make bench-search"
tool strace strace "faults at system calls"
tool zstd zstd "closed parts read by the zstd program"
tool mkfs.ext4 e2fsprogs "loss of power and full disks on ext4"
tool mkfs.xfs xfsprogs "loss of power on xfs"

if [ "$missing" = 1 ] && [ "${CI:-}" = true ]; then exit 1; fi
