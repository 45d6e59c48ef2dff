package monitoring_test

import (
	"encoding/json"
	"testing"
)

// grid is a panel's place.
type grid struct{ X, Y, W, H int }

func (g grid) overlaps(o grid) bool {
	return g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H
}

func TestDashboardIsLaidOutAndExplained(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			ID                       int
			Type, Title, Description string
			GridPos                  grid
			Targets                  []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &dashboard); err != nil {
		t.Fatal(err)
	}
	for i, panel := range dashboard.Panels {
		if panel.ID != i+1 {
			t.Errorf("%s has id %d, want %d", panel.Title, panel.ID, i+1)
		}
		if panel.Type != "row" && (panel.Description == "" || len(panel.Targets) == 0) {
			t.Errorf("%s has no description or no query", panel.Title)
		}
		if panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("%s is wider than the grid", panel.Title)
		}
		for _, other := range dashboard.Panels[:i] {
			if panel.GridPos.overlaps(other.GridPos) {
				t.Errorf("%s lies on %s", panel.Title, other.Title)
			}
		}
	}
}
