package relp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseOffers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		err      string
	}{
		{"as librelp's", "relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog", ""},
		{"LF in front", "\nrelp_version=0\ncommands=syslog", ""},
		{"LF at the end", "relp_version=0\ncommands=syslog\n", ""},
		{"no version", "commands=syslog", ""},
		{"version 1", "relp_version=1\ncommands=syslog", ""},
		{"version 9", "relp_version=9\ncommands=syslog", ""},
		{"syslog among other commands", "commands=a,syslog,b", ""},
		{"commands in two offers", "commands=a\ncommands=syslog", ""},
		{"unknown offers", "batch=\ncommands=syslog\ndalog=1=2", ""},
		{"a line that is no offer", "batch\ncommands=syslog", ""},
		{"short software", "relp_software=x\ncommands=syslog", ""},

		{"nothing", "", "the required command syslog is not offered"},
		{"other commands", "relp_version=0\ncommands=eventlog", "the required command syslog is not offered"},
		{"a command that begins with it", "commands=syslogs", "the required command syslog is not offered"},
		{"upper case", "commands=SYSLOG", "the required command syslog is not offered"},
		{"commands without =", "commands", "the required command syslog is not offered"},
		{"CR LF behind the commands", "commands=syslog\r\n", "the required command syslog is not offered"},
		{"CR LF behind the version", "relp_version=0\r\ncommands=syslog", `relp_version is not a number: "0\r"`},
		{"version without a number", "relp_version=\ncommands=syslog", `relp_version is not a number: ""`},
		{"negative version", "relp_version=-1\ncommands=syslog", `relp_version is not a number: "-1"`},
		{"very many", strings.Repeat("=\n", 100) + "commands=syslog", "more than 64 of them"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			offers, err := parseOffers([]byte(c.in))
			if c.err != "" {
				require.ErrorIs(t, err, ErrOffers)
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.True(t, offers.has("syslog"))
		})
	}
	offers, err := parseOffers([]byte("relp_software=a,b\nx=1=2\ncommands=syslog"))
	require.NoError(t, err)
	require.Equal(t, "a,b", offers.Software())
	x, found := offers.Get("x")
	require.True(t, found)
	require.Equal(t, "1=2", x)
	_, found = offers.Get("y")
	require.False(t, found)
}

// Every line of what is written has its "=", and none is empty: librelp takes
// all up to the next "=" for a name.
func TestAppendOffers(t *testing.T) {
	t.Parallel()
	require.Equal(t, "relp_version=0\nrelp_software=dalog\ncommands=syslog", string(appendOffers(nil, "dalog", nil, nil)))
	require.Equal(t, "relp_version=0\nrelp_software=dalog,1\ncommands=syslog,a,b\nbatch=\nmax=1,2",
		string(appendOffers(nil, "dalog,1", []string{"a", "b"}, []Offer{{"batch", ""}, {"max", "1,2"}})))
}

func TestWhatCannotBeOffered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		software string
		commands []string
		offers   []Offer
		err      string
	}{
		{"fine", "a,1,http://x", []string{"dalog"}, []Offer{{"dalogmax", "7"}}, ""},
		{"command of RELP", "a", []string{"close"}, nil, `command "close" is RELP's own`},
		{"command with a digit", "a", []string{"v2"}, nil, `command "v2": the name must be 1 to 32 letters`},
		{"command without a name", "a", []string{""}, nil, `command "": the name must be 1 to 32 letters`},
		{"long command", "a", []string{strings.Repeat("x", 33)}, nil, "must be 1 to 32 letters"},
		{"many commands", "a", strings.Split(strings.Repeat("a ", 63)+"a", " "), nil, "more than 64 values"},
		{"LF in the software", "a\nb=c", nil, nil, "must not contain controls"},
		{"long software", strings.Repeat("x", 256), nil, nil, "a value has more than 255 bytes"},
		{"offer of RELP", "a", nil, []Offer{{"commands", "x"}}, `offer "commands" is RELP's own`},
		{"offer without a name", "a", nil, []Offer{{"", "x"}}, "the name must have 1 to 32 bytes"},
		{"long name", "a", nil, []Offer{{strings.Repeat("x", 33), "x"}}, "the name must have 1 to 32 bytes"},
		{"= in a name", "a", nil, []Offer{{"a=b", ""}}, "must not contain controls, nor names"},
		{"CR in a value", "a", nil, []Offer{{"a", "b\r"}}, "must not contain controls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := ours(c.software, c.commands, c.offers)
			var extensions []Extension
			for _, name := range c.commands {
				extensions = append(extensions, Extension{Name: name})
			}
			_, serr := NewServer(ServerConfig{Software: c.software, Extensions: extensions, Offers: c.offers})
			require.Equal(t, err, serr)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
		})
	}
}
