package store_test

import (
	"testing"

	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// server is shared by the tests that need no server of their own.
var server storetest.Postgres

func TestSQLite(t *testing.T)   { storetest.Run(t, storetest.SQLiteEngine()) }
func TestPostgres(t *testing.T) { storetest.Run(t, storetest.PostgresEngine(&server)) }
