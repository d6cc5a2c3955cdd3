package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// fileEntry is one key of the configuration file.
type fileEntry struct {
	key    string
	line   int
	values []fileValue // empty: not set
	list   bool
}

type fileValue struct {
	text string
	line int
}

// maxFile bounds the configuration file, in bytes.
const maxFile = 1 << 20

// readFile reads the keys of a configuration file in their order. What is wrong
// with the file as a whole is one problem.
func readFile(path string) ([]fileEntry, *Problem) {
	content, err := os.ReadFile(path)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, &Problem{Origin: path, Err: fmt.Errorf("cannot be read: %w. Name another file with --config, or 'none'", err)}
	}
	if len(content) > maxFile {
		return nil, &Problem{Origin: path, Err: errors.New("is larger than 1 MiB, which no configuration is")}
	}
	return parseFile(path, content)
}

// folderBeside is where more files of settings are: dalogd.d beside dalogd.yaml.
func folderBeside(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".d"
}

// filesIn lists the files of a folder that end in .yaml or .yml, by name. The
// folder may be missing; hidden files, which editors leave, do not count.
func filesIn(folder string) (files []string, problem *Problem) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, &Problem{Origin: folder, Err: fmt.Errorf("cannot be read: %w", errors.Unwrap(err))}
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	return files, nil
}

// parseRoot finds the settings in a file; nil where there are none.
func parseRoot(path string, content []byte) (*ast.MappingNode, *Problem) {
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		var e interface {
			GetToken() *token.Token
			GetMessage() string
		}
		if errors.As(err, &e) {
			return nil, wrong(path, e.GetToken(), "not valid YAML: %s", e.GetMessage())
		}
		return nil, wrong(path, nil, "not valid YAML: %w", err)
	}
	var root *ast.MappingNode
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.NullNode:
		case *ast.MappingNode:
			if root != nil {
				return nil, wrong(path, body.GetToken(), "a second document begins here; write all settings in one")
			}
			root = body
		default:
			return nil, wrong(path, body.GetToken(), "expected settings, one 'name: value' a line")
		}
	}
	return root, nil
}

func wrong(path string, t *token.Token, format string, args ...any) *Problem {
	origin := path
	if t != nil && t.Position != nil {
		origin = at(path, t.Position.Line)
	}
	return &Problem{Origin: origin, Err: fmt.Errorf(format, args...)}
}

func parseFile(path string, content []byte) ([]fileEntry, *Problem) {
	root, problem := parseRoot(path, content)
	if root == nil {
		return nil, problem
	}
	var entries []fileEntry
	for _, pair := range root.Values {
		key, isText := pair.Key.(*ast.StringNode)
		if !isText {
			return nil, wrong(path, pair.Key.GetToken(), "%q is not the name of a setting", pair.Key.String())
		}
		e := fileEntry{key: key.Value, line: key.GetToken().Position.Line}
		switch value := pair.Value.(type) {
		case *ast.NullNode:
		case *ast.SequenceNode:
			e.list = true
			for _, element := range value.Values {
				v, ok := scalar(element)
				if !ok {
					return nil, wrong(path, element.GetToken(), "%s: expected a list of plain values, such as [a, b]", e.key)
				}
				e.values = append(e.values, v)
			}
		default:
			v, ok := scalar(value)
			if !ok {
				return nil, wrong(path, key.GetToken(), "%s: expected a plain value or a list of them", e.key)
			}
			if IsSet(v.text) {
				e.values = []fileValue{v}
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// FileValue is the plain value of one key of another program's YAML file, and
// its place; empty where the file does not set it.
func FileValue(path, key string) (value, origin string, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", path, err
	}
	root, problem := parseRoot(path, content)
	if problem != nil {
		return "", problem.Origin, problem.Err
	}
	if root == nil {
		return "", path, nil
	}
	for _, pair := range root.Values {
		if name, ok := pair.Key.(*ast.StringNode); ok && name.Value == key {
			if v, ok := scalar(pair.Value); ok && IsSet(v.text) {
				return v.text, at(path, v.line), nil
			}
		}
	}
	return "", path, nil
}

// scalar is the text of a plain value as it is written, quotes and block marks
// taken off.
func scalar(n ast.Node) (fileValue, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return fileValue{n.Value, n.GetToken().Position.Line}, true
	case *ast.LiteralNode:
		return fileValue{strings.TrimRight(n.Value.Value, "\n"), n.GetToken().Position.Line}, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return fileValue{strings.TrimSpace(n.GetToken().Value), n.GetToken().Position.Line}, true
	}
	return fileValue{}, false
}

func at(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }
