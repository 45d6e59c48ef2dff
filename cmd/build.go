package main

import (
	"fmt"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// build identifies this binary, with what the Go command has recorded in it.
type build struct{ version, revision, goVersion string }

func thisBuild() build {
	b := build{"unknown", "unknown", "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.version, b.goVersion = info.Main.Version, info.GoVersion
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			b.revision = setting.Value
		}
	}
	return b
}

// String returns what --version prints.
func (b build) String() string {
	return fmt.Sprintf("%s (commit %s, %s)", b.version, b.revision, b.goVersion)
}

// newBuildMetric returns the metric that identifies this binary.
func newBuildMetric() prometheus.Collector {
	b := thisBuild()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "fituser_build_info",
		Help:        "Always 1; the labels are the version, the commit and the Go version of this binary.",
		ConstLabels: prometheus.Labels{"version": b.version, "revision": b.revision, "goversion": b.goVersion},
	}, func() float64 { return 1 })
}
