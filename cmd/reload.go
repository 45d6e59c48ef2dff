package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
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
	// refused is what the log said last of a value that could not be used.
	refused string
}

// Get is the value of the moment.
func (s *setting) Get() string { return *s.value.Load() }

// reread takes the file's content over if it has changed and is acceptable. An empty or unreadable file changes nothing:
// it is being replaced. A refused value may be right and early, so it has to be tried again. The error says that this
// process has to end for the value to count.
func (s *setting) reread(ctx context.Context, log logr.Logger) (refused bool, err error) {
	value, err := readFile(s.path)
	if errors.Is(err, fs.ErrNotExist) && s.withoutFile != "" {
		value, err = s.withoutFile, nil
	}
	if err == nil && (value == "" || value == s.Get()) {
		s.refused = ""
		return false, nil
	}
	if err == nil && s.accept != nil {
		err = s.accept(ctx, value)
	}
	if err != nil {
		s.refuse(log, value, err)
		return true, nil
	}
	s.refused = ""
	if s.needsRestart {
		return false, fmt.Errorf("%s has changed (%s): start again, which a pod does by itself", s.name, s.path)
	}
	s.value.Store(&value)
	log.Info("A changed setting is in force", "setting", s.name, "file", s.path)
	return false, nil
}

// refuse says once, and not at each attempt, why a value cannot be used.
func (s *setting) refuse(log logr.Logger, value string, err error) {
	if news := value + "\n" + err.Error(); news != s.refused {
		s.refused = news
		log.Error(err, "A changed setting is not usable; the old value stays", "setting", s.name, "file", s.path)
	}
}

// reloader watches the files of settings, on every replica.
type reloader struct {
	files []*setting
	clock clock.Clock
	log   logr.Logger
}

// tryAgain is how soon a refused value is tried again without a change of its file.
const tryAgain = 30 * time.Second

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
		again, err := r.reread(ctx) // also at first: a file may have changed since it was read
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-watcher.Events:
		case err := <-watcher.Errors:
			r.log.Error(err, "Watching the files of settings")
		}
	}
}

// reread reads all files. The channel says when to do so again although none has changed; nil is never.
func (r *reloader) reread(ctx context.Context) (again <-chan time.Time, err error) {
	anyRefused := false
	for _, file := range r.files {
		refused, err := file.reread(ctx, r.log)
		if err != nil {
			return nil, err
		}
		anyRefused = anyRefused || refused
	}
	if !anyRefused {
		return nil, nil
	}
	return r.clock.After(tryAgain), nil
}
