package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestMySQLRefusal_Numbers(t *testing.T) {
	t.Parallel()
	for class, numbers := range map[error][]uint16{
		errUnique:      {1022, 1062, 1586},
		errRefused:     {1217, 1451, 1452},
		ErrTrigger:     {1305, 1370, 1442, 1449, 1644},
		errStale:       {1054, 1064, 1109, 1146, 1267, 1364, 1906, 3105},
		ErrInvalidData: {1048, 1118, 1264, 1265, 1292, 1366, 1406, 3819, 4025},
		ErrUnavailable: {
			1040, 1047, 1049, 1053, 1129, 1203, 1205, 1213, 1226, 1317, 1412, 1615, 1665, 1927, 1969, 3024, 3572, 4031, 0, 9999,
		},
		ErrReadOnly:  {1290, 1792, 1836, 3989},
		ErrForbidden: {1044, 1045, 1130, 1142, 1143, 1227, 1698, 1820, 1862, 3118, 4151},
		ErrStorage:   {1021, 1026, 1030, 1034, 1114, 1194, 1712, 1877},
	} {
		for _, number := range numbers {
			state := map[uint16]string{1054: "42S22", 1064: "42000", 1109: "42S02", 1146: "42S02", 1048: "23000"}[number]
			got := classifyMySQL(fmt.Errorf("wrapped: %w", mysqlAnswer(number, state, "canary")))
			if !errors.Is(got, class) {
				t.Errorf("%d is %v, want %v", number, got.Class, class)
			}
		}
	}
}

func mysqlAnswer(number uint16, state, message string) *mysql.MySQLError {
	answer := &mysql.MySQLError{Number: number, Message: message}
	copy(answer.SQLState[:], state)
	return answer
}

// The messages are those of MariaDB 10.11 and of MySQL 8.
func TestClassifyMySQL_Names(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number         uint16
		message, state string
		want           string
	}{
		{number: 1062, message: "Duplicate entry 'jane@canary.example' for key 'users.users_email'", want: "users.users_email"},
		{number: 1062, message: "Duplicate entry 'canary' for key 'canary' for key 'email'", want: "email"},
		{number: 1062, message: "Duplicate entry 'canary' for key 'canary canary'", want: ""},
		{number: 1062, message: "Doppelter Eintrag 'canary' für Schlüssel 'canary'", want: ""},
		{number: 1048, message: "Column 'phone' cannot be null", want: "phone"},
		{number: 1265, message: "Data truncated for column 'role' at row 1", want: "role"},
		{number: 1406, message: "Data too long for column 'first_name' at row 1", want: "first_name"},
		{number: 1366, message: "Incorrect string value: '\\xF0\\x9F canary' for column `app`.`users`.`first_name` at row 1", want: "first_name"},
		{number: 1366, message: "Incorrect string value: ' for column 'canary' at row 1' for column 'last_name' at row 1", want: "last_name"},
		{number: 1292, message: "Incorrect datetime value: '2100-01-01' for column `app`.`users`.`updated_at` at row 1", want: "updated_at"},
		{number: 1364, message: "Field 'seat' doesn't have a default value", want: "seat"},
		{number: 1451, message: "Cannot delete or update a parent row: a foreign key constraint fails (`app`.`workouts`, CONSTRAINT `workouts_user` " +
			"FOREIGN KEY (`user_id`) REFERENCES `users` (`id`))", want: "workouts_user"},
		{number: 1452, message: "Cannot add or update a child row: a foreign key constraint fails (`app`.`users`, CONSTRAINT `users_role` " +
			"FOREIGN KEY (`role`) REFERENCES `roles` (`name`))", want: "users_role"},
		{number: 3819, message: "Check constraint 'short_name' is violated.", want: "short_name"},
		{number: 4025, message: "CONSTRAINT `users.first_name` failed for `app`.`users`", want: "users.first_name"},
		{number: 1644, message: "canary", want: ""},
		{number: 1048, state: "45000", message: "Column 'canary' cannot be null", want: ""}, // a SIGNAL of the application
	} {
		got := classifyMySQL(mysqlAnswer(test.number, test.state, test.message))
		if got.Name != test.want || strings.Contains(got.Error(), "canary") {
			t.Errorf("%s: got %q (%v), want %q", test.message, got.Name, got, test.want)
		}
		if test.state == stateSignal && (!errors.Is(got, ErrTrigger) || !got.raised) {
			t.Errorf("a SIGNAL is %v", got)
		}
	}
}

func TestClassifyMySQL_DriversOwnErrors(t *testing.T) {
	t.Parallel()
	for err, class := range map[error]error{
		mysql.ErrNoTLS: ErrUnavailable, mysql.ErrUnknownPlugin: ErrForbidden, mysql.ErrCleartextPassword: ErrForbidden,
		mysql.ErrPktTooLarge: ErrInvalidData,
	} {
		if got := classifyMySQL(fmt.Errorf("wrapped: %w", err)); !errors.Is(got, class) {
			t.Errorf("%v is %v, want %v", err, got, class)
		}
	}
	if got := classifyMySQL(mysql.ErrInvalidConn); got != nil {
		t.Errorf("a broken connection is %v, want what any broken connection is", got)
	}
}

// Every answer of the database has a class, and the error repeats no value.
func FuzzClassify_MySQL(f *testing.F) {
	for _, number := range []uint16{1048, 1062, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1586, 3819, 4025} {
		f.Add(number, "23000", "jane@example.com")
	}
	f.Add(uint16(1644), "45000", "Jane's row")
	f.Add(uint16(0), "", "")
	db := &DB{dialect: mySQL(), timeout: time.Second}
	f.Fuzz(func(t *testing.T, number uint16, state, value string) {
		value = "«" + value + "»"
		for _, message := range []string{
			"Duplicate entry '" + value + "' for key 'users.email'", "Incorrect string value: '" + value + "' for column `a`.`b`.`c` at row 1",
			"Incorrect datetime value: '" + value + "' for column 'c' at row 1", value,
		} {
			err := db.classify(mysqlAnswer(number, state, message))
			checkRefusal(t, err)
			if strings.Contains(err.Error(), value) {
				t.Errorf("%v repeats %q", err, value)
			}
		}
	})
}

// The expressions are as MariaDB and MySQL print them.
func TestMySQLPartial_RecognisesLiveRows(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string][2]string{
		"if(`deleted_at` is null,`email`,NULL)":                                {"`email`", "`deleted_at` is null"},
		"if((`deleted_at` is null),`email`,NULL)":                              {"`email`", "`deleted_at` is null"},
		"case when `deleted_at` is null then lcase(`email`) else NULL end":     {"lcase(`email`)", "`deleted_at` is null"},
		"(case when (`deleted_at` is null) then `email` end)":                  {"`email`", "`deleted_at` is null"},
		"(case when (`deleted_at` is null) then lower(`email`) else NULL end)": {"lower(`email`)", "`deleted_at` is null"},
		"`email`":         {"`email`", ""},
		"lower(`email`)":  {"lower(`email`)", ""},
		"if(`a`,`b`,`c`)": {"if(`a`,`b`,`c`)", ""},
		"if(`deleted_at` is null,`email`,`other`)": {"if(`deleted_at` is null,`email`,`other`)", ""},
	} {
		if inner, predicate := mysqlPartial(expression); inner != want[0] || predicate != want[1] {
			t.Errorf("%s: got %q and %q, want %q", expression, inner, predicate, want)
		}
	}
}
