package main

import (
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// newBuildMetric tells which build this is, as the Go command has noted it in the binary.
func newBuildMetric() prometheus.Collector {
	version, revision, goVersion := "unknown", "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version, goVersion = info.Main.Version, info.GoVersion
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = setting.Value
			}
		}
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "fituser_build_info",
		Help:        "Always 1; the labels tell the version, the commit and the Go version of this binary.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": goVersion},
	}, func() float64 { return 1 })
}
