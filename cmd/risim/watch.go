package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/risim/risim/sim"
)

// A scenario's file is read again when it has changed, and on SIGHUP. Editors write in many ways: in place, in several
// writes, or to another file that takes the name. So the folders are watched, and what is read is what is there when nothing has
// happened for a moment.

const (
	settles = 100 * time.Millisecond // after the last change, a file is read
	atLeast = time.Second            // after the first one, even if they go on
)

// watch lets ris go on with its scenario as it is edited, until ctx ends. Without files to watch it returns at once.
func watch(ctx context.Context, ris *sim.Simulator, stderr io.Writer) {
	if len(ris.ScenarioFiles()) == 0 {
		return
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	r := reloader{ris: ris, stderr: stderr}
	files, err := newWatcher()
	if err != nil {
		say(stderr, "changes of %s are not seen, only SIGHUP is: %v", ris.ScenarioFiles()[0], err)
	}
	defer files.close()
	files.follow(ris.ScenarioFiles())

	due, last := time.After(settles), time.Now().Add(atLeast) // for what was written before anybody watched, and may still be
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			asked = true
		case e := <-files.events():
			if files.about(e) {
				if due == nil {
					last = time.Now().Add(atLeast)
				}
				due = time.After(min(settles, time.Until(last)))
			}
			continue
		case <-files.errors(): // some events were lost
		case <-due:
		}
		due = nil
		r.reload(asked)
		files.follow(ris.ScenarioFiles())
	}
}

// reloader reads a scenario again, and tells what comes of it.
type reloader struct {
	ris    *sim.Simulator
	stderr io.Writer
	wrong  string // what was wrong with the file last time; empty: nothing
}

// reload tells of a change before it makes it, in one piece, so that no line of the log comes between. Whoever asked for it hears
// also that there is none.
func (r *reloader) reload(asked bool) {
	var told bytes.Buffer
	file := r.ris.ScenarioFiles()[0]
	plan, err := r.ris.PlanReload(nil)
	switch {
	case err != nil:
		if asked || err.Error() != r.wrong { // an editor may write it more than once
			say(&told, "%s has changed and cannot be used; everything goes on as before:", file)
			complain(&told, err)
		}
	case len(plan.Differences) > 0:
		say(&told, "%s has changed:", file)
		for _, d := range plan.Differences {
			say(&told, "  %s", d)
		}
	case r.wrong != "":
		say(&told, "%s is again what runs", file)
	case asked:
		say(&told, "%s says what runs: nothing changes", file)
	}
	_, _ = told.WriteTo(r.stderr) // which may have gone; the service stays
	if r.wrong = ""; err != nil {
		r.wrong = err.Error()
		return
	}
	if err := plan.Apply(); err != nil {
		complain(r.stderr, fmt.Errorf("nothing is changed: %w", err))
	}
}

// watcher watches the folders of files. Nil watches nothing.
type watcher struct {
	fs      *fsnotify.Watcher
	folders map[string]bool
	names   map[string]bool
}

func newWatcher() (*watcher, error) {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &watcher{fs: fs, folders: map[string]bool{}}, nil
}

// follow says which files are meant from now on: under their names, and where links of these names lead.
func (w *watcher) follow(files []string) {
	if w == nil {
		return
	}
	w.names = map[string]bool{}
	folders := map[string]bool{}
	add := func(file string) {
		folder := filepath.Dir(file)
		folders[folder] = true
		w.names[file] = true
		w.names[filepath.Join(folder, "..data")] = true // a link that volumes of Kubernetes change
	}
	for _, file := range files {
		if whole, err := filepath.Abs(file); err == nil {
			add(whole)
			if target, err := filepath.EvalSymlinks(whole); err == nil {
				add(target)
			}
		}
	}
	for folder := range folders {
		if !w.folders[folder] && w.fs.Add(folder) == nil {
			w.folders[folder] = true
		}
	}
	for _, folder := range slices.Collect(maps.Keys(w.folders)) {
		if !folders[folder] {
			_ = w.fs.Remove(folder) // which is gone when it fails
			delete(w.folders, folder)
		}
	}
}

// about says that an event may have changed the content of a file.
func (w *watcher) about(e fsnotify.Event) bool {
	return w.names[filepath.Clean(e.Name)] && e.Op != fsnotify.Chmod
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w == nil {
		return nil
	}
	return w.fs.Events
}

func (w *watcher) errors() <-chan error {
	if w == nil {
		return nil
	}
	return w.fs.Errors
}

func (w *watcher) close() {
	if w != nil {
		_ = w.fs.Close()
	}
}
