package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// newFile is a file in the making. It appears whole or not at all.
type newFile struct {
	what string // for messages, such as "the ready file"
	name string
	temp string // beside it; empty once it was put in its place or dropped
}

// prepareFile finds out whether a file can be written, before the work is done that it is to tell of. It makes a temporary
// file beside it, which put or drop ends. flag is how the file's name was given.
func prepareFile(what, flag, name string) (*newFile, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, hint(fmt.Errorf("%s %s is there already, and is not a regular file", what, name), "%s FILE makes a file", flag)
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // mode 0600
	if err != nil {
		return nil, hint(fmt.Errorf("%s cannot be made: %w", what, err), "%s FILE needs a directory that is there and can be written to", flag)
	}
	f := &newFile{what, name, temp.Name()}
	if err := temp.Close(); err != nil {
		f.drop()
		return nil, fmt.Errorf("%s cannot be made: %w", what, err)
	}
	return f, nil
}

// clear removes what is in its place.
func (f *newFile) clear() error {
	if err := os.Remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s of a run before cannot be removed: %w", f.what, err)
	}
	return nil
}

// put puts the file in its place, over the one that is there.
func (f *newFile) put(data []byte, mode fs.FileMode) error {
	return f.place(data, mode, os.Rename)
}

// putNew puts the file in its place, unless there is one already; then the error is fs.ErrExist.
func (f *newFile) putNew(data []byte, mode fs.FileMode) error {
	return f.place(data, mode, os.Link)
}

func (f *newFile) place(data []byte, mode fs.FileMode, move func(from, to string) error) error {
	defer f.drop()
	err := os.WriteFile(f.temp, data, mode)
	if err == nil {
		err = os.Chmod(f.temp, mode)
	}
	if err == nil {
		err = move(f.temp, f.name)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.what, err)
	}
	return nil
}

// drop removes what is not in its place.
func (f *newFile) drop() {
	if f.temp != "" {
		os.Remove(f.temp) // which was renamed, when put has succeeded
		f.temp = ""
	}
}
