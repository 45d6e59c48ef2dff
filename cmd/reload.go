package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// setting is a value that may change while the program runs, if it comes from a file.
type setting struct {
	name, path string
	value      atomic.Pointer[string]
	// accept is asked before a changed value counts. An error keeps the old one.
	accept func(ctx context.Context, value string) error
	// needsRestart is set where a new value counts for a new process only.
	needsRestart bool
	// withoutFile is the value while there is no file. Where it is empty, a file that goes changes nothing.
	withoutFile string
}

// Get is the value of the moment.
func (s *setting) Get() string { return *s.value.Load() }

// reread takes the file's content over if it has changed and is acceptable. An empty or unreadable file changes nothing:
// it is being replaced. The error says that this process has to end for the value to count.
func (s *setting) reread(ctx context.Context, log logr.Logger) error {
	value, err := readFile(s.path)
	if errors.Is(err, fs.ErrNotExist) && s.withoutFile != "" {
		value, err = s.withoutFile, nil
	}
	if err == nil && (value == "" || value == s.Get()) {
		return nil
	}
	if err == nil && s.accept != nil {
		err = s.accept(ctx, value)
	}
	if err != nil {
		log.Error(err, "A changed setting is not usable; the old value stays", "setting", s.name, "file", s.path)
		return nil
	}
	if s.needsRestart {
		return fmt.Errorf("%s has changed (%s): start again, which a pod does by itself", s.name, s.path)
	}
	s.value.Store(&value)
	log.Info("A changed setting is in force", "setting", s.name, "file", s.path)
	return nil
}

// reloader watches the files of settings, on every replica.
type reloader struct {
	files []*setting
	log   logr.Logger
}

var _ manager.LeaderElectionRunnable = (*reloader)(nil)

// NeedLeaderElection is false: every replica has secrets of its own.
func (r *reloader) NeedLeaderElection() bool { return false }

// Start watches until ctx ends. It watches the directories, because a file that is replaced is another file, and
// Kubernetes replaces mounted Secrets by moving a link beside them.
func (r *reloader) Start(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the files of settings: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	for _, file := range r.files {
		if err := watcher.Add(filepath.Dir(file.path)); err != nil {
			return fmt.Errorf("watching %s_FILE: %w", file.name, err)
		}
	}
	for {
		for _, file := range r.files { // also at first: a file may have changed since it was read
			if err := file.reread(ctx, r.log); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
		case err := <-watcher.Errors:
			r.log.Error(err, "Watching the files of settings")
		}
	}
}
