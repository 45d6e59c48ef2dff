package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// readable is a line of the operator's log for people: the message and what it is about. A line that is none of the
// operator's own, such as one of a panic, stays as it is.
func readable(line []byte) string {
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
		if !overhead(key) {
			fmt.Fprintf(&b, " %s=%v", key, entry[key])
		}
	}
	return b.String()
}

// overhead reports whether a key is only of use in the log itself.
func overhead(key string) bool {
	switch key {
	case "level", "ts", "msg", "logger", "stacktrace", "controller", "reconcileID", "svixID":
		return true
	}
	return false
}
