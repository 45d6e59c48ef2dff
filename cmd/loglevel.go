package main

import (
	"context"
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logLevel is how much is logged at the moment, and the setting that changes it while the program runs: the content of
// --log-level-file, or --log-level while there is no such file.
func (o options) logLevel() (zap.AtomicLevel, *setting) {
	start, _ := levelNamed(o.LogLevel) // kong takes no other
	level := zap.NewAtomicLevelAt(start)
	s := &setting{name: "FITUSER_LOG_LEVEL", path: o.LogLevelFile, withoutFile: o.LogLevel}
	s.value.Store(&o.LogLevel)
	s.accept = func(_ context.Context, name string) error {
		changed, ok := levelNamed(name)
		if !ok {
			return fmt.Errorf("%q is no log level: want debug, info or error", name)
		}
		level.SetLevel(changed)
		return nil
	}
	return level, s
}

func levelNamed(name string) (level zapcore.Level, ok bool) {
	level, ok = map[string]zapcore.Level{
		"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel,
	}[name]
	return level, ok
}
