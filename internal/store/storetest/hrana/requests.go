package hrana

import (
	"context"
	"errors"
	"slices"
)

// session executes the requests of one pipeline on its stream.
type session struct {
	stream   *stream
	version  int
	busy     bool
	extended bool
}

// The limits of sqld for stored texts.
const (
	maxTexts    = 50
	maxTextSize = 5000
)

// handle executes one request. A refusal is a result; any other error ends the stream.
func (s session) handle(ctx context.Context, request streamRequest) (streamResult, error) {
	response, err := s.respond(ctx, request)
	var refused *refusal
	if errors.As(err, &refused) {
		return streamResult{Type: "error", Error: refused}, nil
	}
	if err != nil {
		return streamResult{}, err
	}
	if response == nil {
		response = map[string]any{}
	}
	response["type"] = request.Type
	return streamResult{Type: "ok", Response: response}, nil
}

func (s session) respond(ctx context.Context, request streamRequest) (map[string]any, error) {
	switch request.Type {
	case "close":
		s.stream.closed = true
		return nil, nil
	case "store_sql":
		return nil, s.store(request)
	case "close_sql":
		if request.SQLID != nil {
			delete(s.stream.sqls, *request.SQLID)
		}
		return nil, nil
	}
	if s.stream.closed {
		return nil, protocolError("Stream for this baton was closed")
	}
	switch {
	case request.Type == "execute" && request.Stmt != nil:
		result, err := s.execute(ctx, *request.Stmt)
		return map[string]any{"result": result}, err
	case request.Type == "batch" && request.Batch != nil:
		result, err := s.batch(ctx, request.Batch.Steps)
		return map[string]any{"result": result}, err
	case request.Type == "sequence":
		return nil, s.sequence(ctx, request)
	case request.Type == "get_autocommit" && s.version < 3:
		return nil, tooOld("The `get_autocommit` request")
	case request.Type == "get_autocommit":
		autocommit, err := s.autocommit(ctx)
		return map[string]any{"is_autocommit": autocommit}, err
	default:
		return nil, protocolError("StreamRequest type not recognized")
	}
}

func tooOld(what string) error {
	return protocolError(what + " is only supported in protocol version hrana3 and higher")
}

func (s session) store(request streamRequest) error {
	switch {
	case request.SQLID == nil || request.SQL == nil:
		return protocolError("Either `sql` or `sql_id` are required")
	case len(*request.SQL) > maxTextSize:
		return &refusal{Code: "SQL_STORE_TOO_LARGE", Message: "The statement is too large to be stored"}
	case len(s.stream.sqls) >= maxTexts:
		return &refusal{Code: "SQL_STORE_TOO_MANY", Message: "The server already stores 50 SQL texts, it cannot store more"}
	}
	if _, exists := s.stream.sqls[*request.SQLID]; exists {
		return protocolError("SQL text already exists")
	}
	s.stream.sqls[*request.SQLID] = *request.SQL
	return nil
}

// text returns the SQL of a request.
func (s session) text(sql *string, id *int32) (string, error) {
	switch {
	case sql != nil && id != nil:
		return "", protocolError("Either `sql` or `sql_id` are required, but not both")
	case sql != nil:
		return *sql, nil
	case id == nil:
		return "", protocolError("Either `sql` or `sql_id` are required")
	}
	stored, exists := s.stream.sqls[*id]
	if !exists {
		return "", protocolError("SQL text not found")
	}
	return stored, nil
}

// batch executes the steps whose conditions are true.
func (s session) batch(ctx context.Context, steps []step) (*batchResult, error) {
	made := &batchResult{Results: make([]*stmtResult, len(steps)), Errors: make([]*refusal, len(steps))}
	for i, step := range steps {
		run, err := s.isTrue(ctx, step.Condition, made, i)
		if err != nil {
			return nil, err
		}
		if !run {
			continue
		}
		result, err := s.execute(ctx, step.Stmt)
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			made.Errors[i] = refused
		case err != nil:
			return nil, err
		default:
			made.Results[i] = result
		}
	}
	return made, nil
}

// isTrue evaluates the condition of the step number before, which refers to steps before it.
func (s session) isTrue(ctx context.Context, c *condition, done *batchResult, before int) (bool, error) {
	if c == nil {
		return true, nil
	}
	if (c.Type == "ok" || c.Type == "error") && (c.Step < 0 || c.Step >= before) {
		return false, protocolError("Invalid reference to step in a batch condition")
	}
	switch c.Type {
	case "ok":
		return done.Results[c.Step] != nil, nil
	case "error":
		return done.Errors[c.Step] != nil, nil
	case "not":
		is, err := s.isTrue(ctx, c.Cond, done, before)
		return !is, err
	case "and", "or":
		var all []bool
		for i := range c.Conds {
			is, err := s.isTrue(ctx, &c.Conds[i], done, before)
			if err != nil {
				return false, err
			}
			all = append(all, is)
		}
		if c.Type == "and" {
			return !slices.Contains(all, false), nil
		}
		return slices.Contains(all, true), nil
	case "is_autocommit":
		if s.version < 3 {
			return false, tooOld("BatchCond of type `is_autocommit`")
		}
		return s.autocommit(ctx)
	default:
		return false, protocolError("BatchCond type not recognized")
	}
}
