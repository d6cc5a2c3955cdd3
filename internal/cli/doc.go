// Package cli is what both programs share around their work: settings from the
// command line, the environment and a YAML file under one name, each with the
// place it comes from; their own log; exit codes; and all that is printed from
// the same description as --help.
//
// A setting called log-dir is --log-dir on the command line, DALOGD_LOG_DIR in
// the environment and log_dir in the file. The command line goes before the
// environment, that before the file, and that before the default. Every value is
// checked wherever it stands, so that an error names its place even when
// something else overrides it.
package cli
