package hrana

import (
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// These types are written from the specification and not shared with the driver, which they test.
type (
	pipelineRequest struct {
		Baton    *string         `json:"baton"`
		Requests []streamRequest `json:"requests"`
	}
	streamRequest struct {
		Type  string `json:"type"`
		Stmt  *stmt  `json:"stmt"`
		Batch *struct {
			Steps []step `json:"steps"`
		} `json:"batch"`
		SQL   *string `json:"sql"`
		SQLID *int32  `json:"sql_id"`
	}
	stmt struct {
		SQL       *string           `json:"sql"`
		SQLID     *int32            `json:"sql_id"`
		Args      []json.RawMessage `json:"args"`
		NamedArgs []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"named_args"`
		WantRows *bool `json:"want_rows"`
	}
	step struct {
		Condition *condition `json:"condition"`
		Stmt      stmt       `json:"stmt"`
	}
	condition struct {
		Type  string      `json:"type"`
		Step  int         `json:"step"`
		Cond  *condition  `json:"cond"`
		Conds []condition `json:"conds"`
	}

	pipelineResponse struct {
		Baton   *string        `json:"baton"`
		BaseURL *string        `json:"base_url"`
		Results []streamResult `json:"results"`
	}
	streamResult struct {
		Type     string         `json:"type"`
		Response map[string]any `json:"response,omitempty"`
		Error    *refusal       `json:"error,omitempty"`
	}
	stmtResult struct {
		Cols         []col   `json:"cols"`
		Rows         [][]any `json:"rows"`
		Affected     int64   `json:"affected_row_count"`
		LastInsertID *string `json:"last_insert_rowid"`
	}
	batchResult struct {
		Results []*stmtResult `json:"step_results"`
		Errors  []*refusal    `json:"step_errors"`
	}
	col struct {
		Name     string  `json:"name"`
		DeclType *string `json:"decltype"`
	}
	// refusal is the error of a statement.
	refusal struct {
		Message string `json:"message"`
		Code    string `json:"code"`
	}
)

func (e *refusal) Error() string { return e.Message }

// texts returns the statements of the request that have their own text.
func (r pipelineRequest) texts() []string {
	var all []string
	add := func(sql *string) {
		if sql != nil {
			all = append(all, *sql)
		}
	}
	for _, request := range r.Requests {
		add(request.SQL)
		if request.Stmt != nil {
			add(request.Stmt.SQL)
		}
		if request.Batch != nil {
			for _, step := range request.Batch.Steps {
				add(step.Stmt.SQL)
			}
		}
	}
	return all
}

// fromWire returns a parameter's value.
func fromWire(data json.RawMessage) (driver.Value, error) {
	var wire struct {
		Type   string          `json:"type"`
		Value  json.RawMessage `json:"value"`
		Base64 string          `json:"base64"`
	}
	err := json.Unmarshal(data, &wire)
	if err != nil {
		return nil, protocolError("Cannot deserialize client message from JSON: " + err.Error())
	}
	var of driver.Value
	switch wire.Type {
	case "null":
	case "integer":
		var text string
		if err = json.Unmarshal(wire.Value, &text); err == nil { // a number in JSON is a violation
			of, err = strconv.ParseInt(text, 10, 64)
		}
	case "float":
		var number float64
		err = json.Unmarshal(wire.Value, &number)
		of = number
	case "text":
		var text string
		err = json.Unmarshal(wire.Value, &text)
		of = text
	case "blob":
		of, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(wire.Base64, "="))
	default:
		err = fmt.Errorf("unknown type %q of a value", wire.Type)
	}
	if err != nil {
		return nil, protocolError("Cannot deserialize client message from JSON: " + err.Error())
	}
	return of, nil
}

// toWire returns a value of a row. The driver makes times of texts in columns of the type date; SQLite has no such type.
func toWire(v driver.Value) any {
	switch of := v.(type) {
	case nil:
		return map[string]any{"type": "null"}
	case int64:
		return map[string]any{"type": "integer", "value": strconv.FormatInt(of, 10)}
	case float64:
		return map[string]any{"type": "float", "value": of}
	case string:
		return map[string]any{"type": "text", "value": of}
	case []byte:
		return map[string]any{"type": "blob", "base64": base64.RawStdEncoding.EncodeToString(of)}
	case time.Time:
		return map[string]any{"type": "text", "value": of.UTC().Format(time.DateTime)}
	default:
		panic(fmt.Sprintf("hrana: the driver returned a %T", v))
	}
}
