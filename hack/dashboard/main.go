// Command dashboard draws the Grafana dashboard as one SVG, from the data of a Prometheus. It runs the dashboard's queries
// and uses its layout, for the docs and for machines without Grafana. It does not reproduce Grafana's rendering.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "dashboard: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	file := flag.String("dashboard", "config/components/grafana-dashboard/fituser.json", "the dashboard's JSON")
	address := flag.String("prometheus", "http://127.0.0.1:9090", "the URL of Prometheus")
	span := flag.Duration("range", 15*time.Minute, "the time range to show")
	out := flag.String("out", "docs/images/dashboard.svg", "the SVG to write")
	flag.Parse()

	content, err := os.ReadFile(*file)
	if err != nil {
		return fmt.Errorf("reading the dashboard: %w", err)
	}
	var board dashboard
	if err := json.Unmarshal(content, &board); err != nil {
		return fmt.Errorf("reading the dashboard %s: %w", *file, err)
	}
	source := prometheus{url: *address, end: time.Now(), span: *span}
	drawing := newDrawing(board)
	for _, panel := range board.Panels {
		series, err := source.series(ctx, panel)
		if err != nil {
			return fmt.Errorf("panel %q: %w", panel.Title, err)
		}
		drawing.panel(panel, series, source)
	}
	if err := os.WriteFile(*out, drawing.svg(), 0o644); err != nil { //nolint:gosec // the picture is public
		return fmt.Errorf("writing the picture: %w", err)
	}
	return nil
}

// dashboard is the part of Grafana's JSON that is drawn.
type dashboard struct {
	Title  string
	Panels []panel
}

type panel struct {
	Type, Title string
	GridPos     struct{ X, Y, W, H float64 }
	Targets     []target
	FieldConfig struct{ Defaults defaults }
}

type target struct{ Expr, LegendFormat string }

type defaults struct {
	Unit       string
	Decimals   *int
	Thresholds struct {
		Steps []struct {
			Color string
			Value *float64
		}
	}
	Custom struct{ Stacking struct{ Mode string } }
}

// color returns the color of a value by the thresholds.
func (d defaults) color(value float64) string {
	chosen := "green"
	for _, step := range d.Thresholds.Steps {
		if step.Value == nil || value >= *step.Value {
			chosen = step.Color
		}
	}
	return map[string]string{"green": "#56a64b", "yellow": "#e0a800", "red": "#d44a3a", "blue": "#3274d9"}[chosen]
}
