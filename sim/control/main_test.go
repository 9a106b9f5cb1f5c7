package control

import (
	"flag"
	"os"
)

func exit(code int) { os.Exit(code) }

// everything says that no test was left out by a flag.
func everything() bool {
	for _, name := range []string{"test.run", "test.skip", "test.bench", "test.fuzz", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}
