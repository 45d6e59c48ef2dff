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
	for _, column := range user.DefaultMapping().Columns {
		row.Set(column.From, "text-of-"+column.Name)
	}
	if _, err := db.Put(t.Context(), row, nil); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	if err := printRows(t.Context(), &shown, databaseURL); err != nil {
		t.Fatal(err)
	}
	header, values, _ := strings.Cut(shown.String(), "\n")
	for _, column := range user.DefaultMapping().Columns {
		if !strings.Contains(header, strings.ToUpper(column.Name)) || !strings.Contains(values, row.Text(column.From)) {
			t.Errorf("column %s is missing:\n%s", column.Name, shown.String())
		}
	}
}
