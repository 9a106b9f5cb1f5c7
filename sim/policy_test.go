package sim_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/risim/risim"

// mayImport is the picture in doc.go: which packages of this module each package may import. Tests may import more.
var mayImport = map[string][]string{
	"cmd/risim":   {"sim", "sim/control", "sim/clock", "sim/cluster", "sim/cluster", "sim/soap", "sim/scenarios", "fixtures"},
	"sim/control": {"sim", "sim/scenarios", "sim/soap", "sim/cluster", "sim/clock", "fixtures"},
	"sim":         {"sim/soap", "sim/cluster", "sim/clock", "sim/scenarios", "fixtures", "wsdl"},
	"sim/soap":    {"sim/cluster"},
	"fixtures":    {"sim/cluster", "sim/soap"},
	"sim/cluster": {},
	"sim/clock":   {},
	"wsdl":        {},

	"sim/scenarios": {"sim/cluster", "sim/clock"},

	"cmd/risim/internal/bench": {}, // it measures from outside
}

// address is where a module from elsewhere lives: files or directories. Tests may use any of them.
var address = map[string][]string{
	"github.com/gorilla/mux":        {"sim/http.go", "sim/control"},
	"github.com/prometheus/":        {"sim/control/metrics.go"},
	"github.com/brianvoe/gofakeit/": {"fixtures/generate.go"},
	"github.com/spf13/":             {"cmd/risim"},
	"github.com/fsnotify/":          {"cmd/risim/watch.go"},
	"golang.org/x/text/":            {"sim/soap/charset.go"},
	"go.yaml.in/yaml/":              {"sim/scenarios/file.go"},
	"github.com/antchfx/":           {"sim/scenarios"},
}

// never is what a package must not do, and why: imports of the standard library, and calls.
var never = map[string]map[string]string{
	"sim/cluster": {
		"net/http": "a cluster does not know that it is served over HTTP", "log": "it returns what it has to say", "log/slog": "it returns what it has to say",
		"math/rand": "chance is an argument", "math/rand/v2": "chance is an argument", "crypto/rand": "chance is an argument", "os": "it is a value, without files",
		"time.Now": "time is an argument", "time.Since": "time is an argument", "time.Sleep": "time is an argument", "time.AfterFunc": "it has no goroutine",
	},
	"sim/soap": {
		"log": "it reports exchanges to an observer", "log/slog": "it reports exchanges to an observer", "os": "it has no files",
		"time.Now": "Config.Now says the time", "time.Since": "Config.Now says the time", "time.Sleep": "Config.Wait waits", "time.AfterFunc": "Config.Wait waits",
	},
	"fixtures": {
		"net/http": "a population has no network", "time.Now": "Spec.Start says the time", "math/rand": "the same Spec gives the same Config", "math/rand/v2": "the same Spec gives the same Config",
	},
	"wsdl":      {"net/http": "it holds a document", "os": "the document is embedded"},
	"sim/clock": {"net/http": "a clock has no network", "log": "it has nothing to say", "os": "it has no files"},
}

// topLevel is all that a visitor sees first. Something new needs a place inside of one of these.
var topLevel = []string{"LICENSE", "Makefile", "README.md", "cmd", "fixtures", "go.mod", "go.sum", "sim", "wsdl"}

// goFile is a source file of the module.
type goFile struct {
	name   string // from the root, with slashes
	pkg    string // its directory
	test   bool
	syntax *ast.File
	set    *token.FileSet
}

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || len(name) > 1 && name[0] == '.') {
			return fs.SkipDir
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, filepath.Join("..", name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		out = append(out, goFile{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), syntax, set})
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(out), 20, "the sources of the module")
	return out
}

func imports(f goFile) []string {
	var out []string
	for _, spec := range f.syntax.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		out = append(out, p)
	}
	return out
}

func homes(imported string) []string {
	for prefix, homes := range address {
		if strings.HasPrefix(imported, prefix) {
			return homes
		}
	}
	return nil
}

// The import rule of doc.go.
func TestPolicy_Imports(t *testing.T) {
	t.Parallel()
	met := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		allowed, known := mayImport[f.pkg]
		if !known {
			t.Errorf("%s: package %s is not in the picture of sim/doc.go; add it there, and to mayImport", f.name, f.pkg)
		}
		met[f.pkg] = true
		for _, p := range imports(f) {
			if in, ok := strings.CutPrefix(p, module+"/"); ok && !slices.Contains(allowed, in) {
				t.Errorf("%s imports %s; %s may import %v of this module (the picture in sim/doc.go)", f.name, in, f.pkg, allowed)
			}
			if why := never[f.pkg][p]; why != "" {
				t.Errorf("%s imports %s: %s", f.name, p, why)
			}
			if host, _, _ := strings.Cut(p, "/"); strings.Contains(host, ".") && !strings.HasPrefix(p, module) {
				if homes := homes(p); !slices.Contains(homes, f.name) && !slices.Contains(homes, f.pkg) {
					t.Errorf("%s imports %s, whose address is %q: a package from elsewhere has one home", f.name, p, homes)
				}
			}
		}
	}
	for pkg := range mayImport {
		if !met[pkg] {
			t.Errorf("package %s of the picture does not exist", pkg)
		}
	}
}

// Time and chance are arguments, and importing a package does nothing.
func TestPolicy_Calls(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok {
					call := x.Name + "." + sel.Sel.Name
					if why := never[f.pkg][call]; why != "" {
						t.Errorf("%s: %s: %s", f.set.Position(n.Pos()), call, why)
					}
				}
			}
			return true
		})
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: importing a package must do nothing, so there is no init", f.set.Position(d.Pos()))
			}
		}
	}
}

// Every exported name says what it is.
func TestPolicy_DocComments(t *testing.T) {
	t.Parallel()
	front := map[string]string{} // package comments
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		if _, seen := front[f.pkg]; !seen || f.syntax.Doc != nil {
			front[f.pkg] = f.syntax.Doc.Text()
		}
		if f.pkg == "cmd/risim" {
			continue // nobody can import it
		}
		missing := func(n ast.Node, name string) {
			if ast.IsExported(name) {
				t.Errorf("%s: %s has no doc comment", f.set.Position(n.Pos()), name)
			}
		}
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && (d.Recv == nil || ast.IsExported(receiver(d))) {
					missing(d, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if d.Doc == nil && spec.Doc == nil {
							missing(spec, spec.Name.Name)
						}
					case *ast.ValueSpec:
						if d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
							missing(spec, spec.Names[0].Name)
						}
					}
				}
			}
		}
	}
	for pkg, doc := range front {
		if doc == "" {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return fmt.Sprintf("%T", x)
		}
	}
}

// Every field of Options says what its zero value means.
func TestPolicy_OptionsSayWhatZeroMeans(t *testing.T) {
	t.Parallel()
	fields := 0
	for _, f := range goFiles(t) {
		if f.name != "sim/options.go" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == "Options" {
				for _, field := range spec.Type.(*ast.StructType).Fields.List {
					fields++
					doc := field.Doc.Text()
					if !slices.ContainsFunc([]string{"0 means", `"" means`, "nil ", "false means", "zero Time means", "None means"}, func(s string) bool { return strings.Contains(doc, s) }) {
						t.Errorf("%s: the comment of %s does not say what zero means:\n%s", f.set.Position(field.Pos()), field.Names[0].Name, doc)
					}
				}
			}
			return true
		})
	}
	require.Greater(t, fields, 10)
}

func TestPolicy_TopLevelIsShort(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("..")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) && !ignored(t, e.Name()) {
			t.Errorf("%s at the top: the first listing stays short, find it a home in one of %v", e.Name(), topLevel)
		}
	}
}

func ignored(t *testing.T, name string) bool {
	t.Helper()
	data, err := os.ReadFile("../.gitignore")
	require.NoError(t, err)
	return slices.ContainsFunc(strings.Fields(string(data)), func(line string) bool {
		match, _ := path.Match(strings.Trim(line, "/"), name)
		return match
	})
}

// A program that uses this package, the command above all, does not link package testing: ForTest takes an interface.
// And a test that uses it brings no command line along.
func TestPolicy_WhatIsLinked(t *testing.T) {
	t.Parallel()
	deps := func(pkg string) []string {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		require.NoError(t, err)
		return strings.Fields(string(out))
	}
	command, library := deps("../cmd/risim"), deps(".")
	require.Contains(t, command, module+"/sim")
	require.NotContains(t, command, "testing")
	for _, p := range command {
		for _, test := range []string{"github.com/stretchr/testify", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/rogpeppe/go-internal", "github.com/google/go-cmp"} {
			if strings.HasPrefix(p, test) {
				t.Errorf("the command links %s, which is for tests", p)
			}
		}
	}
	for _, p := range library {
		for _, heavy := range []string{"github.com/spf13/", "github.com/prometheus/", "html/template", "database/sql"} {
			if strings.HasPrefix(p, heavy) {
				t.Errorf("package sim links %s: what a Go test imports stays light", p)
			}
		}
	}
}
