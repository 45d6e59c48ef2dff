package settings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/go-logr/logr"
)

// Setting is one value. It can change while the program runs if it comes from a file.
type Setting struct {
	name, path string
	value      atomic.Pointer[string]
	// apply runs before a changed value is in force. An error keeps the old value.
	apply func(ctx context.Context, value string) error
	// needsRestart marks a setting whose new value takes effect only in a new process.
	needsRestart bool
	// withoutFile is the value while the file does not exist. If it is empty, the removal of the file changes nothing.
	withoutFile string
	// verbatim keeps the white space around the value, because the lines of the file are counted.
	verbatim bool
	// refused is the last refusal that was logged.
	refused string
}

// Get returns the value in force.
func (s *Setting) Get() string { return *s.value.Load() }

func (s *Setting) set(value string) { s.value.Store(&value) }

// OnChange sets the function that checks and applies a changed value. The value is in force when apply returns nil. After
// an error the old value stays, and the new one is tried again. Call OnChange before the settings are watched.
func (s *Setting) OnChange(apply func(ctx context.Context, value string) error) { s.apply = apply }

// reload puts the file's content in force if it has changed and is acceptable. An empty or unreadable file changes nothing:
// it is being replaced. A refused value may be right but early, so the caller tries it again. An error means that this
// process must end for the value to take effect.
func (s *Setting) reload(ctx context.Context, log logr.Logger) (refused bool, err error) {
	value, err := s.readFile()
	if errors.Is(err, fs.ErrNotExist) && s.withoutFile != "" {
		value, err = s.withoutFile, nil
	}
	if err == nil && (value == "" || value == s.Get()) {
		s.refused = ""
		return false, nil
	}
	if err == nil && s.apply != nil {
		err = s.apply(ctx, value)
	}
	if err != nil {
		s.logRefusal(log, value, err)
		return true, nil
	}
	s.refused = ""
	if s.needsRestart {
		return false, fmt.Errorf("%s has changed (%s) and requires a restart, which a pod does by itself", s.name, s.path)
	}
	s.set(value)
	log.Info("Setting changed", "setting", s.name, "file", s.path)
	return false, nil
}

// logRefusal logs once, and not at each attempt, why a value cannot be used.
func (s *Setting) logRefusal(log logr.Logger, value string, err error) {
	if refused := value + "\n" + err.Error(); refused != s.refused {
		s.refused = refused
		log.Error(err, "Changed setting refused; kept the old value", "setting", s.name, "file", s.path)
	}
}

// maxSize bounds a setting's file in bytes.
const maxSize = 64 << 10

// readSetting reads NAME or NAME_FILE. Without both, the setting is empty. White space around the value is removed, because
// editors, echo and kubectl create secret --from-file leave a newline.
func readSetting(name string, getenv func(string) string) (*Setting, error) {
	value, path := strings.TrimSpace(getenv(name)), getenv(name+"_FILE")
	if value != "" && path != "" {
		return nil, fmt.Errorf("%s and %s_FILE are both set: unset one of them", name, name)
	}
	s := &Setting{name: name, path: path}
	if path != "" {
		var err error
		if value, err = s.readFile(); err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", name, err)
		}
		if value == "" {
			return nil, fmt.Errorf("%s_FILE: %s is empty: put the value into it", name, path)
		}
	}
	s.set(value)
	return s, nil
}

// NewTableConfig reads the mapping file. An empty file name is a setting without a value that never changes.
func NewTableConfig(file string) (*Setting, error) {
	s := &Setting{name: "FITUSER_TABLE_CONFIG", path: file, verbatim: true}
	s.set("")
	if file == "" {
		return s, nil
	}
	content, err := s.readFile()
	s.set(content)
	return s, err
}

// Path returns the file that the value comes from; empty when it comes from none.
func (s *Setting) Path() string { return s.path }

func (s *Setting) readFile() (string, error) {
	content, err := readFile(s.path)
	if !s.verbatim {
		content = strings.TrimSpace(content)
	}
	return content, err
}

func readFile(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the administrator's own
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxSize {
		return "", fmt.Errorf("%s is larger than %d bytes, the most that a setting may have", path, maxSize)
	}
	return string(content), nil
}
