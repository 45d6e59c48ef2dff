package monitoring_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// What Grafana does not know in a dashboard it drops without a word, such as a misspelt option. Its own types are strict.
func TestDashboardIsWhatGrafanaReads(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins() // the panels' types
	content := read(t, dashboardFile)
	if faults := faultsForGrafana(content); faults != "" {
		t.Error(faults)
	}
	misspelt := strings.Replace(content, `"graphMode"`, `"graphmode"`, 1)
	if faults := faultsForGrafana(misspelt); !strings.Contains(faults, "graphmode") {
		t.Errorf("of a misspelt option it says: %q", faults)
	}
}

// faultsForGrafana is empty where there are none. The library returns an empty list of faults as an error that is not nil.
func faultsForGrafana(content string) string {
	var board dashboard.Dashboard //nolint:staticcheck // version 2 is another format, which Grafana's sidecar does not load yet
	if err := board.UnmarshalJSONStrict([]byte(content)); err != nil && err.Error() != "" {
		return err.Error()
	}
	if err := board.Validate(); err != nil {
		return err.Error()
	}
	return ""
}

// grid is a panel's place.
type grid struct{ X, Y, W, H int }

func (g grid) overlaps(o grid) bool {
	return g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H
}

func TestDashboardIsLaidOutAndExplained(t *testing.T) {
	t.Parallel()
	var board struct {
		Panels []struct {
			ID                       int
			Type, Title, Description string
			GridPos                  grid
			Targets                  []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	for i, panel := range board.Panels {
		if panel.ID != i+1 {
			t.Errorf("%s has id %d, want %d", panel.Title, panel.ID, i+1)
		}
		if panel.Type != "row" && (panel.Description == "" || len(panel.Targets) == 0) {
			t.Errorf("%s has no description or no query", panel.Title)
		}
		if panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("%s is wider than the grid", panel.Title)
		}
		for _, other := range board.Panels[:i] {
			if panel.GridPos.overlaps(other.GridPos) {
				t.Errorf("%s lies on %s", panel.Title, other.Title)
			}
		}
	}
}
