package syslogng

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const sample = `@version: 3.38
@include "scl.conf"
options { use_fqdn(no); stats_freq(0); };
source s_local { system(); internal(); };
source s_unused { file("/x.log"); };
# a comment with { and "
source s_doc {
  file("/usr/share/docassemble/log/docassemble.log" program-override("docassemble") flags(no-parse) default-priority(debug) follow-freq(2));
};
source s_ng { file('/var/log/nginx/error.log' program_override("nginx"), flags(no-parse), default_priority(error) encoding("latin1")); };
source s_w { wildcard-file(base-dir("/srv/app/log") filename-pattern("*.log") recursive(yes)); };
source s_net { udp(port(514)); file("relative.log"); };
destination d_net { syslog("` + "`LOGSERVER`" + `" transport("tcp") port(514)); };
destination d_old { tcp("10.0.0.7" port(1514)); };
destination d_tls { network("log.example.org" port(6514) transport("tls") flags(syslog-protocol)); };
destination d_file { file("/var/log/x"); };
filter f_err { level(err..emerg); };
log { source(s_doc); source(s_ng); source(s_w); source(s_net); source(s_local); destination(d_net); destination(d_old); };
log { source(s_ng); filter(f_err); destination(d_tls); destination(d_file); flags(final); };
`

func TestImport(t *testing.T) {
	t.Parallel()
	c, err := Import(sample)
	require.NoError(t, err)
	require.Equal(t, []File{
		{"/usr/share/docassemble/log/docassemble.log", "docassemble", "debug"},
		{"/var/log/nginx/error.log", "nginx", "error"},
		{"/srv/app/log/*.log", "log", "notice"},
	}, c.Files)
	require.Equal(t, []string{"`LOGSERVER`", "10.0.0.7:1514", "log.example.org:6514"}, c.Servers)
	require.True(t, c.BSD)
	require.Equal(t, []string{
		`line 2: @include "scl.conf"`,
		"line 3: global options: dalogfwd needs none",
		"line 4: source system(): dalogfwd follows files; messages from there can go to dalogd directly",
		"line 4: source internal(): dalogfwd follows files; messages from there can go to dalogd directly",
		"line 5: source s_unused, which no log statement uses",
		"line 10: encoding() of /var/log/nginx/error.log",
		"line 11: recursive(yes) of /srv/app/log/*.log: name each folder",
		`line 11: /srv/app/log/*.log has no program-override(): its lines are sent as "log"`,
		"line 12: source udp(): dalogfwd follows files; messages from there can go to dalogd directly",
		"line 12: file() without an absolute path",
		"line 15: TLS of network(log.example.org): see --tls of dalogfwd",
		"line 16: destination file(): dalogfwd delivers to log servers",
		"line 17: filter f_err",
		"line 19: filter(f_err) in a log statement: everything is sent",
	}, c.Left)
}

func TestImportOfSomethingElse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"source s { file(\"/x":       "line 1: the quote is not closed",
		"source s {\n file(\"/x\");": `the last "{" is not closed`,
		"source s };":                `line 1: "}" closes nothing`,
		"a\n)":                       `line 2: ")" closes nothing`,
	} {
		_, err := Import(text)
		require.EqualError(t, err, want, text)
	}
	c, err := Import("")
	require.NoError(t, err)
	require.Empty(t, c.Files)
}

// No text brings it down.
func FuzzImport(f *testing.F) {
	f.Add(sample)
	f.Add("a(b(c(d)));{};log{source(x)}")
	f.Add("((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = Import(text) })
}
