package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// release is what is being made.
type release struct {
	root    string    // of the checkout
	out     string    // folder of the results
	version string    // as git describes it
	mtime   time.Time // of every file in archives and packages
}

// arches are the processors that packages are made for.
var arches = []string{"amd64", "arm64"}

// programs are what is delivered, each as a package of its own.
var programs = []string{"dalogd", "dalogfwd"}

func main() {
	var r release
	var unix int64
	flag.StringVar(&r.root, "root", "..", "folder of the checkout")
	flag.StringVar(&r.out, "out", "../dist", "folder of the results; what is in it is replaced")
	flag.StringVar(&r.version, "version", "", "version of the release")
	flag.Int64Var(&unix, "time", 0, "time of the release in seconds since 1970, usually that of its commit")
	licences := flag.Bool("licences", false, "only list the modules that the programs are built from, with their licences")
	flag.Parse()
	if *licences {
		modules, err := modulesOf(r.root, "./cmd/...")
		if err == nil {
			err = listLicences(os.Stdout, modules)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "packaging:", err)
			os.Exit(1)
		}
		return
	}
	r.mtime = time.Unix(unix, 0).UTC()
	if err := r.make(); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

// make makes everything anew.
func (r *release) make() error {
	if r.version == "" {
		return fmt.Errorf("no -version given")
	}
	var err error
	if r.out, err = filepath.Abs(r.out); err != nil {
		return err
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	for _, arch := range arches {
		if err := r.build(arch); err != nil {
			return err
		}
	}
	for _, dir := range []string{"usr/share/docassemble/log", "var/lib/dalogfwd"} { // for the image
		if err := os.MkdirAll(filepath.Join(r.out, "image", dir), 0o755); err != nil {
			return err
		}
	}
	docs, err := r.documents()
	if err != nil {
		return err
	}
	for _, arch := range arches {
		if err := r.archive(arch, docs); err != nil {
			return err
		}
		for _, program := range programs {
			if err := r.packages(program, arch, docs); err != nil {
				return err
			}
		}
	}
	return r.checksums()
}
