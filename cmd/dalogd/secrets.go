package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"

	"github.com/dalog-project/dalog/internal/cli"
)

// passwordCost is the cost of new hashes: some 50 ms of a processor.
const passwordCost = 10

// maxPassword is how many bytes of a password bcrypt looks at.
const maxPassword = 72

// printPassword reads a password and prints the line of the file of users.
func printPassword(stdin *os.File, stdout, stderr io.Writer, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	password, err := readPassword(stdin, stderr, name)
	switch {
	case err != nil:
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("cannot read the password: %w", err)}
	case len(password) < 8 || len(password) > maxPassword:
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("the password has %d bytes; take 8 to %d", len(password), maxPassword)}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s:%s\n", name, hash)
	return err
}

// readPassword asks at a terminal, and reads a line from anything else.
func readPassword(stdin *os.File, stderr io.Writer, name string) (string, error) {
	if !term.IsTerminal(int(stdin.Fd())) {
		line, err := bufio.NewReader(stdin).ReadString('\n')
		if err == io.EOF && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(stderr, prompt)
		defer fmt.Fprintln(stderr)
		b, err := term.ReadPassword(int(stdin.Fd()))
		return string(b), err
	}
	first, err := ask("Password of " + name + ": ")
	if err != nil {
		return "", err
	}
	second, err := ask("Again: ")
	if err == nil && first != second {
		err = errors.New("the two are not the same")
	}
	return first, err
}

// printToken makes a token, and prints it to stderr and the line of the file
// of tokens to stdout.
func printToken(stdout, stderr io.Writer, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	token := "dalog_" + rand.Text()
	hash := sha256.Sum256([]byte(token))
	fmt.Fprintf(stderr, "Token of %s, shown this once: %s\n", name, token)
	_, err := fmt.Fprintf(stdout, "%s:%s\n", name, hex.EncodeToString(hash[:]))
	return err
}

func checkName(name string) error {
	if name == "" || name == "*" || name == "anonymous" || name[0] == '#' || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ':' || r == 0x7f }) {
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%q cannot be a name: it must have no blanks and no colon, and be neither * nor anonymous", name)}
	}
	return nil
}
