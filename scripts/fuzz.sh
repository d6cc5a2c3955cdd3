#!/usr/bin/env bash
# Runs every fuzz target of the module in turn, each for the time given (60s).
# What a target finds is left in its package's testdata/fuzz by the go command.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
fuzztime=${1:-60s}

# "go test -list" prints the names of a package's targets, then "ok PACKAGE TIME".
targets=$(go test -list '^Fuzz' ./... | awk '/^Fuzz/ {names = names " " $1} /^ok/ {split(names, n, " "); for (i = 1; i in n; i++) print $2, n[i]; names = ""}')
if [ -z "$targets" ]; then
	echo "no fuzz targets" >&2
	exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
while read -r package target; do
	echo "== $package $target"
	# Without a bound, minimizing inputs for the corpus can take all the time.
	if go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 50x "$package" </dev/null 2>&1 | tee "$log"; then
		continue
	fi
	# A worker that is busy when the time is up makes the go command fail with
	# just this; what it calls a finding, it writes to testdata/fuzz.
	if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"; then
		echo "== $target: the time was up, no finding"
		continue
	fi
	failed=1
done <<<"$targets"
exit $failed
