package store_test

import (
	"testing"

	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// server is shared by the tests that need no server of their own.
var server storetest.Postgres

// mariadb is shared by the tests that need no server of their own.
var mariadb storetest.MariaDB

func TestSQLite(t *testing.T)              { storetest.Run(t, storetest.SQLiteEngine()) }
func TestLibSQL(t *testing.T)              { storetest.Run(t, storetest.LibSQLEngine()) }
func TestLibSQL_VendorEngine(t *testing.T) { storetest.Run(t, storetest.LibSQLVendorEngine(t)) }
func TestPostgres(t *testing.T)            { storetest.Run(t, storetest.PostgresEngine(&server)) }
func TestMariaDB(t *testing.T)             { storetest.Run(t, storetest.MariaDBEngine(&mariadb)) }
