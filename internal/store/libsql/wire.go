package libsql

import (
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pipelineRequest is the body of POST v2/pipeline.
type pipelineRequest struct {
	// Baton is nil for a new stream.
	Baton    *string         `json:"baton"`
	Requests []streamRequest `json:"requests"`
}

// streamRequest is one request on a stream, by type: execute, batch or close.
type streamRequest struct {
	Type  string     `json:"type"`
	Stmt  *statement `json:"stmt,omitempty"`
	Batch *batch     `json:"batch,omitempty"`
}

type statement struct {
	SQL       string     `json:"sql"`
	Args      []value    `json:"args,omitempty"`
	NamedArgs []namedArg `json:"named_args,omitempty"`
	WantRows  bool       `json:"want_rows"`
}

type namedArg struct {
	Name  string `json:"name"`
	Value value  `json:"value"`
}

type batch struct {
	Steps []step `json:"steps"`
}

// step is a statement that is skipped unless its condition is true.
type step struct {
	Condition *condition `json:"condition,omitempty"`
	Stmt      statement  `json:"stmt"`
}

// condition is true when the step has succeeded.
type condition struct {
	Type string `json:"type"`
	Step int    `json:"step"`
}

// pipelineResponse is the answer. Baton is nil when the server has closed the stream.
type pipelineResponse struct {
	Baton   *string        `json:"baton"`
	BaseURL *string        `json:"base_url"`
	Results []streamResult `json:"results"`
}

type streamResult struct {
	Type     string `json:"type"`
	Response struct {
		Type   string          `json:"type"`
		Result json.RawMessage `json:"result"`
	} `json:"response"`
	Error *wireError `json:"error"`
}

type wireError struct {
	Message string `json:"message"`
	Code    string `json:"code"`
}

type batchResult struct {
	Results []*statementResult `json:"step_results"`
	Errors  []*wireError       `json:"step_errors"`
}

type statementResult struct {
	Cols []struct {
		Name string `json:"name"`
	} `json:"cols"`
	Rows         [][]value `json:"rows"`
	Affected     int64     `json:"affected_row_count"`
	LastInsertID *string   `json:"last_insert_rowid"`
}

// value is one of SQLite's values: nil, int64, float64, string or []byte.
type value struct{ of driver.Value }

type wireValue struct {
	Type   string  `json:"type"`
	Value  any     `json:"value,omitempty"`
	Base64 *string `json:"base64,omitempty"`
}

var errUTF8 = errors.New("libsql: a text parameter is not UTF-8, which JSON cannot hold")

// MarshalJSON implements [json.Marshaler]. Integers are texts, because many JSON libraries have only 53 bits.
func (v value) MarshalJSON() ([]byte, error) {
	switch of := v.of.(type) {
	case nil:
		return json.Marshal(wireValue{Type: "null"})
	case int64:
		return json.Marshal(wireValue{Type: "integer", Value: strconv.FormatInt(of, 10)})
	case bool:
		number := map[bool]string{false: "0", true: "1"}[of]
		return json.Marshal(wireValue{Type: "integer", Value: number})
	case float64:
		return json.Marshal(wireValue{Type: "float", Value: of})
	case string:
		if !utf8.ValidString(of) {
			return nil, errUTF8
		}
		return json.Marshal(wireValue{Type: "text", Value: of})
	case []byte:
		text := base64.StdEncoding.EncodeToString(of)
		return json.Marshal(wireValue{Type: "blob", Base64: &text})
	default:
		return nil, fmt.Errorf("libsql: a parameter has the type %T", of)
	}
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *value) UnmarshalJSON(data []byte) error {
	var wire struct {
		Type   string          `json:"type"`
		Value  json.RawMessage `json:"value"`
		Base64 string          `json:"base64"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	var err error
	switch wire.Type {
	case "null":
		v.of = nil
	case "integer":
		v.of, err = strconv.ParseInt(strings.Trim(string(wire.Value), `"`), 10, 64)
	case "float": // JSON has no infinity; servers send null in its place
		v.of, err = strconv.ParseFloat(string(wire.Value), 64)
	case "text":
		var text string
		err = json.Unmarshal(wire.Value, &text)
		v.of = text
	case "blob": // sqld leaves the padding out
		v.of, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(wire.Base64, "="))
	default:
		err = fmt.Errorf("a value has the unknown type %q", wire.Type)
	}
	return err
}

// newStatement returns the statement with its parameters. A parameter has a name when the caller gave it one.
func newStatement(query string, args []driver.NamedValue, wantRows bool) statement {
	made := statement{SQL: query, WantRows: wantRows}
	for _, arg := range args {
		if arg.Name != "" {
			made.NamedArgs = append(made.NamedArgs, namedArg{Name: arg.Name, Value: value{arg.Value}})
		} else {
			made.Args = append(made.Args, value{arg.Value})
		}
	}
	return made
}
