package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// about is what package managers show, by program.
var about = map[string]struct{ user, state, text string }{
	"dalogd": {"dalog", "", `central log receiver with files and pages
Receives syslog from any sender, stores it as plain text files, one a program,
and serves them over HTTP, to people and to docassemble's Logs page.`},
	"dalogfwd": {"dalogfwd", "/var/lib/dalogfwd", `follows log files and delivers their lines exactly once
Follows log files through every rotation and delivers their lines to dalogd, or
to another syslog server. The files are the buffer while the server is away.`},
}

// packages makes the Debian and the RPM package of a program.
func (r *release) packages(program, arch string, docs []document) error {
	stage, err := os.MkdirTemp("", "dalog-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	info, err := r.info(program, arch, stage, docs)
	if err != nil {
		return err
	}
	for _, format := range []string{"deb", "rpm"} {
		packager, err := nfpm.Get(format)
		if err != nil {
			return err
		}
		withFormat := *info
		target := filepath.Join(r.out, packager.ConventionalFileName(&withFormat))
		f, err := os.Create(target)
		if err != nil {
			return err
		}
		if err := packager.Package(nfpm.WithDefaults(&withFormat), f); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// info describes the package of a program; files that do not exist as such are
// put into stage.
func (r *release) info(program, arch, stage string, docs []document) (*nfpm.Info, error) {
	a := about[program]
	info := &nfpm.Info{
		Name: program, Arch: arch, Platform: "linux", Version: packageVersion(r.version), Release: "1",
		Section: "admin", Priority: "optional", Maintainer: "dalog maintainers <maintainers@dalog-project.invalid>",
		Description: a.text, Homepage: "https://github.com/dalog-project/dalog", License: "MIT",
		DisableGlobbing: true, MTime: r.mtime,
	}
	info.RPM.Summary, _, _ = strings.Cut(a.text, "\n")
	info.RPM.BuildHost = "dalog"
	info.Umask = 0o022
	add := func(source, destination, kind string, mode os.FileMode) {
		info.Contents = append(info.Contents, &files.Content{
			Source: source, Destination: destination, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.mtime},
		})
	}
	staged := func(name string, content []byte) (string, error) {
		path := filepath.Join(stage, name)
		return path, os.WriteFile(path, content, 0o644)
	}
	add(r.binary(program, arch), "/usr/bin/"+program, files.TypeFile, 0o755)
	add(filepath.Join(r.root, "packaging/etc", program+".yaml"), "/etc/dalog/"+program+".yaml", files.TypeConfigNoReplace, 0o644)
	units, err := filepath.Glob(filepath.Join(r.root, "packaging/systemd", program+".*"))
	if err != nil {
		return nil, err
	}
	for _, unit := range units {
		add(unit, "/usr/lib/systemd/system/"+filepath.Base(unit), files.TypeFile, 0o644)
	}
	for i, d := range docs {
		if d.program != program {
			continue
		}
		path, err := staged(fmt.Sprintf("doc%d", i), d.content)
		if err != nil {
			return nil, err
		}
		add(path, d.path, files.TypeFile, 0o644)
	}
	for source, name := range map[string]string{"LICENSE": "copyright", "README.md": "README.md", "CHANGELOG.md": "CHANGELOG.md"} {
		add(filepath.Join(r.root, source), "/usr/share/doc/"+program+"/"+name, files.TypeFile, 0o644)
	}
	scripts := map[string]*string{
		"preinst": &info.Scripts.PreInstall, "postinst": &info.Scripts.PostInstall,
		"prerm": &info.Scripts.PreRemove, "postrm": &info.Scripts.PostRemove,
	}
	state := ":"
	if a.state != "" {
		state = "rm -rf " + a.state
	}
	replacer := strings.NewReplacer("PROGRAM", program, "USER", a.user, "STATE", state)
	for name, target := range scripts {
		content, err := os.ReadFile(filepath.Join(r.root, "packaging/scripts", name))
		if err != nil {
			return nil, err
		}
		if *target, err = staged(name, []byte(replacer.Replace(string(content)))); err != nil {
			return nil, err
		}
	}
	return info, nil
}

var release1 = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)(.*)$`)

// packageVersion makes a version that package managers sort: v1.2.3 is 1.2.3, a
// build after it 1.2.3+4.gabcdef, and one without any release 0.0.0+abcdef.
func packageVersion(version string) string {
	number, rest := "0.0.0", version
	if m := release1.FindStringSubmatch(version); m != nil {
		number, rest = m[1], m[2]
	}
	rest = strings.Trim(strings.NewReplacer("-", ".", "~", ".", "+", ".").Replace(rest), ".")
	if rest == "" {
		return number
	}
	return number + "+" + rest
}
