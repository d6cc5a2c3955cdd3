#!/bin/bash
# Takes the place of /usr/share/docassemble/webapp/run-syslogng.sh, so that
# everything in docassemble that starts, stops and restarts "syslogng" (start of
# the container, log rotation, the daily cron job) works with dalog as it is:
#
#   role log in CONTAINERROLE   dalogd, the log server
#   any other role              dalogfwd, which delivers to the log server
#
# The programs are looked for in $DALOG_BIN, by default /usr/local/bin. Settings:
# /etc/dalog/dalogd.yaml and dalogfwd.yaml, or DALOGD_ and DALOGFWD_ variables.
# Without any, dalogd keeps docassemble's log folder and ports, and dalogfwd sends
# docassemble's log files to LOGSERVER or the 'log server' of config.yml.
set -eu

bin=${DALOG_BIN:-/usr/local/bin}
logs=${DA_ROOT:-/usr/share/docassemble}/log

case ":${CONTAINERROLE:-all}:" in
*:log:*)
	exec "$bin/dalogd"
	;;
esac

# Beside the logs, whose positions it holds: what keeps the one keeps the other.
if [ -z "${DALOGFWD_STATE_DIR:-}" ] && [ -d "$logs" ]; then
	export DALOGFWD_STATE_DIR=$logs/.dalogfwd
fi
exec "$bin/dalogfwd"
