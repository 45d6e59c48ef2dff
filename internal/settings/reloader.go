package settings

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Reloader watches the files of settings. It runs on every replica.
type Reloader struct {
	settings []*Setting
	clock    clock.Clock
	log      logr.Logger
}

// retryPeriod is how soon a refused value is tried again if its file does not change.
const retryPeriod = 30 * time.Second

var _ manager.LeaderElectionRunnable = (*Reloader)(nil)

// NewReloader creates a reloader of the settings that come from files. Settings without a file cannot change.
func NewReloader(clk clock.Clock, log logr.Logger, settings ...*Setting) *Reloader {
	r := &Reloader{clock: clk, log: log}
	for _, s := range settings {
		if s.path != "" {
			r.settings = append(r.settings, s)
		}
	}
	return r
}

// NeedLeaderElection returns false: every replica has its own settings.
func (r *Reloader) NeedLeaderElection() bool { return false }

// Start watches until ctx ends. It returns an error when a changed setting requires a restart. It watches the directories
// instead of the files: a replaced file is a new inode, and Kubernetes replaces mounted Secrets by moving a link beside them.
func (r *Reloader) Start(ctx context.Context) error {
	if len(r.settings) == 0 {
		<-ctx.Done() // without a watch: inotify instances are few, and counted for each user of a node
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the files of settings: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	for _, s := range r.settings {
		if err := watcher.Add(filepath.Dir(s.path)); err != nil {
			return fmt.Errorf("watching the file of %s: %w", s.name, err)
		}
	}
	for {
		retry, err := r.reload(ctx) // once before the first event: a file may have changed since it was read
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-retry:
		case <-watcher.Events:
		case err := <-watcher.Errors:
			r.log.Error(err, "Watch of settings failed")
		}
	}
}

// reload reloads all settings. The channel fires when a refused value is to be tried again; it is nil if none was refused.
func (r *Reloader) reload(ctx context.Context) (retry <-chan time.Time, err error) {
	anyRefused := false
	for _, s := range r.settings {
		refused, err := s.reload(ctx, r.log)
		if err != nil {
			return nil, err
		}
		anyRefused = anyRefused || refused
	}
	if !anyRefused {
		return nil, nil
	}
	return r.clock.After(retryPeriod), nil
}
