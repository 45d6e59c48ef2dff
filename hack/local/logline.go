package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// formatLogLine formats a line of the operator's log for people: the message and its keys. It returns a line that is not
// JSON, such as one of a panic, unchanged.
func formatLogLine(line []byte) string {
	var entry map[string]any
	if json.Unmarshal(line, &entry) != nil || entry["msg"] == nil {
		return string(line)
	}
	var b strings.Builder
	if entry["level"] != "info" {
		fmt.Fprintf(&b, "%v: ", entry["level"])
	}
	fmt.Fprint(&b, entry["msg"])
	for _, key := range slices.Sorted(maps.Keys(entry)) {
		if !isHidden(key) {
			fmt.Fprintf(&b, " %s=%v", key, entry[key])
		}
	}
	return b.String()
}

// isHidden reports whether a key is useful only in the log file.
func isHidden(key string) bool {
	switch key {
	case "level", "ts", "msg", "logger", "stacktrace", "controller", "reconcileID", "svixID":
		return true
	}
	return false
}
