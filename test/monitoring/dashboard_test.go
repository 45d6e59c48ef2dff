package monitoring_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Grafana silently drops what it does not know in a dashboard, such as a misspelt option. The types of its SDK are strict.
func TestDashboard_IsValidForGrafana(t *testing.T) {
	t.Parallel()
	content := read(t, dashboardFile)
	if problems := grafanaProblems(t, content); problems != "" {
		t.Error(problems)
	}
	misspelt := strings.Replace(content, `"graphMode"`, `"graphmode"`, 1)
	if problems := grafanaProblems(t, misspelt); !strings.Contains(problems, "graphmode") {
		t.Errorf("a misspelt option gives the problem %q", problems)
	}
}

// grafanaProblems returns "" for a valid dashboard. The program has a module of its own for Grafana's SDK.
func grafanaProblems(t *testing.T, content string) string {
	t.Helper()
	check := exec.CommandContext(t.Context(), "go", "run", "-C", "../../hack/grafana", ".")
	check.Stdin = strings.NewReader(content)
	out, err := check.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v\n%s", err, out)
	}
	return ""
}

// grid is a panel's position and size.
type grid struct{ X, Y, W, H int }

func (g grid) overlaps(o grid) bool {
	return g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H
}

func TestDashboard_HasLayoutAndDescriptions(t *testing.T) {
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
				t.Errorf("%s overlaps %s", panel.Title, other.Title)
			}
		}
	}
}
