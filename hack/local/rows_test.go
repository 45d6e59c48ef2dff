package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestPrintRows_ShowsEveryColumn(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.SQLite(t)
	db, err := store.Open(databaseURL, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	row := user.Row{ID: "user_jane"}
	for _, cell := range row.Cells() {
		*cell.Text = "text-of-" + string(cell.Column)
	}
	if err := db.Put(t.Context(), row, nil); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	if err := printRows(t.Context(), &shown, databaseURL); err != nil {
		t.Fatal(err)
	}
	header, values, _ := strings.Cut(shown.String(), "\n")
	for _, column := range user.Columns() {
		if !strings.Contains(header, strings.ToUpper(string(column))) || !strings.Contains(values, column.Of(&row)) {
			t.Errorf("column %s is missing:\n%s", column, shown.String())
		}
	}
}
