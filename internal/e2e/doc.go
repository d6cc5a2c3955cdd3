// Package e2e tests dalogd and dalogfwd as their users run them: as processes
// of their own, fed and read by the programs that do so in the field (syslog-ng,
// rsyslog, logger, Python, curl). Package peers finds those programs, package
// proc runs them.
package e2e
