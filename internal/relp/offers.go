package relp

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of librelp for the names and values of offers.
const (
	maxOfferName   = 32
	maxOfferValue  = 255
	maxOfferValues = 64
)

// What an "open" or its answer may have.
const (
	maxOffers     = 64
	maxOffersSize = 32 << 10 // bytes
)

// The offers of every session.
const (
	offerVersion  = "relp_version"
	offerSoftware = "relp_software"
	offerCommands = "commands"
)

// version is the protocol version, as all of librelp's releases count it.
const version = "0"

// Offer is what one side of a session says of itself in its "open" or in the
// answer to that: a line NAME=VALUE. The value may be a list with commas.
type Offer struct {
	Name  string // up to 32 bytes, none of them "=" or a control
	Value string // up to 64 values of up to 255 bytes, no controls
}

func (o Offer) valid() error {
	values := strings.Split(o.Value, ",")
	switch {
	case o.Name == "" || len(o.Name) > maxOfferName:
		return fmt.Errorf("offer %q: the name must have 1 to %d bytes", o.Name, maxOfferName)
	case strings.ContainsFunc(o.Name, func(c rune) bool { return c < ' ' || c == '=' }), strings.ContainsFunc(o.Value, func(c rune) bool { return c < ' ' }):
		return fmt.Errorf("offer %q: names and values must not contain controls, nor names \"=\"", o.Name)
	case len(values) > maxOfferValues:
		return fmt.Errorf("offer %q: more than %d values", o.Name, maxOfferValues)
	}
	for _, value := range values {
		if len(value) > maxOfferValue {
			return fmt.Errorf("offer %q: a value has more than %d bytes", o.Name, maxOfferValue)
		}
	}
	return nil
}

// ours checks what the user of the package has to offer, beyond what all do.
func ours(software string, commands []string, more []Offer) error {
	for _, name := range commands {
		switch name {
		case "open", "syslog", "close", "rsp", "serverclose":
			return fmt.Errorf("command %q is RELP's own", name)
		}
		if !validCommand(name) {
			return fmt.Errorf("command %q: the name must be 1 to %d letters", name, maxCommand)
		}
	}
	if err := (Offer{offerSoftware, software}).valid(); err != nil {
		return err
	}
	if err := commandsOffer(commands).valid(); err != nil {
		return err
	}
	for _, o := range more {
		switch o.Name {
		case offerVersion, offerSoftware, offerCommands:
			return fmt.Errorf("offer %q is RELP's own", o.Name)
		}
		if err := o.valid(); err != nil {
			return err
		}
	}
	return nil
}

func commandsOffer(more []string) Offer {
	return Offer{offerCommands, strings.Join(append([]string{"syslog"}, more...), ",")}
}

// appendOffers appends all that one side offers. There is a LF between offers
// and none at the end: to librelp a name ends at the next "=", wherever that is.
func appendOffers(dst []byte, software string, commands []string, more []Offer) []byte {
	all := append([]Offer{{offerVersion, version}, {offerSoftware, software}, commandsOffer(commands)}, more...)
	for i, o := range all {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = append(dst, o.Name...)
		dst = append(dst, '=')
		dst = append(dst, o.Value...)
	}
	return dst
}

// Offers are those of the other side, in its order.
type Offers []Offer

// parseOffers reads the data of an "open" or of its answer. Empty lines, which
// some put in front or at the end, are passed over; so is a line without "=".
func parseOffers(data []byte) (Offers, error) {
	var offers Offers
	for line := range strings.SplitSeq(string(data), "\n") {
		if name, value, found := strings.Cut(line, "="); found {
			offers = append(offers, Offer{name, value})
		}
		if len(offers) > maxOffers {
			return nil, fmt.Errorf("%w: more than %d of them", ErrOffers, maxOffers)
		}
	}
	return offers, offers.acceptable()
}

// Get finds an offer by its name.
func (o Offers) Get(name string) (value string, found bool) {
	i := slices.IndexFunc(o, func(o Offer) bool { return o.Name == name })
	if i < 0 {
		return "", false
	}
	return o[i].Value, true
}

// Software is the other side's name for itself: name, version, address; empty
// if it did not say.
func (o Offers) Software() string {
	s, _ := o.Get(offerSoftware)
	return s
}

// has tells whether a command is offered.
func (o Offers) has(command string) bool {
	for i := range o {
		if o[i].Name != offerCommands {
			continue
		}
		for name, rest, more := "", o[i].Value, true; more; {
			if name, rest, more = strings.Cut(rest, ","); name == command {
				return true
			}
		}
	}
	return false
}

// acceptable tells whether there can be a session with a side that offers this.
// Any version will do, since both go by the lower one, and none.
func (o Offers) acceptable() error {
	if v, found := o.Get(offerVersion); found && !isNumber(v) {
		return fmt.Errorf("%w: %s is not a number: %.40q", ErrOffers, offerVersion, v)
	}
	if !o.has("syslog") {
		return fmt.Errorf("%w: the required command syslog is not offered", ErrOffers)
	}
	return nil
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return s != ""
}
