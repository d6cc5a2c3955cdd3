package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"compress/gzip"
)

// binary is where the program for a processor is; without a program, the folder.
func (r *release) binary(program, arch string) string {
	return filepath.Join(r.out, "linux-"+arch, program)
}

// build makes the static binaries. timetzdata: a container has no zone files.
func (r *release) build(arch string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-tags", "timetzdata",
		"-ldflags", "-s -w -buildid= -X main.version=" + r.version, "-o", r.binary("", arch) + "/"}
	for _, program := range programs {
		args = append(args, "./cmd/"+program)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v for %s: %w", cmd.Args[:2], arch, err)
	}
	return nil
}

// document is a file beside the binaries.
type document struct {
	program string // whose it is; empty: of both
	path    string // where it is installed
	content []byte
}

// documents are the manual pages and completions, as the programs print them.
func (r *release) documents() (docs []document, err error) {
	for _, program := range programs {
		run := func(args ...string) ([]byte, error) {
			cmd := exec.Command(r.binary(program, runtime.GOARCH), args...)
			cmd.Env = []string{}
			out, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("%s %v: %w", program, args, err)
			}
			return out, nil
		}
		modules, err := modulesOf(r.root, "./cmd/"+program)
		if err != nil {
			return nil, err
		}
		docs = append(docs, document{program, "/usr/share/doc/" + program + "/third-party.txt", thirdParty(modules)})
		page, err := run("man")
		if err != nil {
			return nil, err
		}
		packed, err := r.gzip(page)
		if err != nil {
			return nil, err
		}
		docs = append(docs, document{program, "/usr/share/man/man8/" + program + ".8.gz", packed})
		for shell, path := range map[string]string{
			"bash": "/usr/share/bash-completion/completions/" + program,
			"zsh":  "/usr/share/zsh/vendor-completions/_" + program,
			"fish": "/usr/share/fish/vendor_completions.d/" + program + ".fish",
		} {
			script, err := run("completion", shell)
			if err != nil {
				return nil, err
			}
			docs = append(docs, document{program, path, script})
		}
	}
	return docs, nil
}

// gzip packs without a time.
func (r *release) gzip(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, 9)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
