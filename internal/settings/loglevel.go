package settings

import (
	"context"
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogLevel returns the level of the log, and the setting that changes it while the program runs. The content of file
// overrides start while the file exists. An empty file name means that the level never changes.
func NewLogLevel(start, file string) (zap.AtomicLevel, *Setting, error) {
	first, err := parseLevel(start)
	if err != nil {
		return zap.AtomicLevel{}, nil, err
	}
	level := zap.NewAtomicLevelAt(first)
	s := &Setting{name: "FITUSER_LOG_LEVEL", path: file, withoutFile: start}
	s.set(start)
	s.OnChange(func(_ context.Context, name string) error {
		changed, err := parseLevel(name)
		if err == nil {
			level.SetLevel(changed)
		}
		return err
	})
	return level, s, nil
}

// parseLevel accepts the three levels that the operator uses, and not all that zap knows.
func parseLevel(name string) (zapcore.Level, error) {
	level, ok := map[string]zapcore.Level{
		"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel,
	}[name]
	if !ok {
		return level, fmt.Errorf("unknown log level %q: want debug, info or error", name)
	}
	return level, nil
}
