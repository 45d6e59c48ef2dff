package libsql

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
)

// endless is an answer without an end.
type endless struct{}

func (endless) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = ' '
	}
	return len(into), nil
}

func TestDecode_RefusesOtherAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":                       "",
		"a page":                      "<html>",
		"half an answer":              `{"baton":null,"results":[{"type":"ok"`,
		"another JSON":                `{"error":"no"}`,
		"more results than requests":  `{"results":[{"type":"ok"},{"type":"ok"}]}`,
		"fewer results than requests": `{"results":[]}`,
	} {
		if _, err := decode(strings.NewReader(body), 1); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := decode(endless{}, 1); !errors.Is(err, errTooLarge) {
		t.Errorf("an endless answer: %v", err)
	}
	if _, err := decode(io.MultiReader(strings.NewReader(`{"results":[{`), endless{}), 1); !errors.Is(err, errTooLarge) {
		t.Errorf("an endless answer that begins well: %v", err)
	}
}

func TestResults_RefuseOtherForms(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no response":                `{"results":[{"type":"ok"}]}`,
		"no result":                  `{"results":[{"type":"ok","response":{"type":"execute"}}]}`,
		"an unknown type":            `{"results":[{"type":"none"}]}`,
		"a value of an unknown type": `{"results":[{"type":"ok","response":{"result":{"cols":[{}],"rows":[[{"type":"none"}]]}}}]}`,
		"an integer that is none":    `{"results":[{"type":"ok","response":{"result":{"rows":[[{"type":"integer","value":"x"}]]}}}]}`,
		"a float that is none":       `{"results":[{"type":"ok","response":{"result":{"rows":[[{"type":"float","value":null}]]}}}]}`,
	} {
		answer, err := decode(strings.NewReader(body), 1)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := answer.Results[0].statementOf(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	skipped := `{"results":[{"type":"ok","response":{"result":{"step_results":[null],"step_errors":[null]}}}]}`
	answer, err := decode(strings.NewReader(skipped), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer.Results[0].lastOf(); err == nil {
		t.Error("a statement that was skipped counts as executed")
	}
}

func TestValue_BlobsHavePaddingOrNot(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"AP8H CA", "AP8HCA==", "AP8HCA"} {
		var v value
		err := json.Unmarshal([]byte(`{"type":"blob","base64":"`+text+`"}`), &v)
		blob, _ := v.of.([]byte)
		if isOne := string(blob) == "\x00\xff\x07\x08"; isOne != !strings.Contains(text, " ") || isOne != (err == nil) {
			t.Errorf("%q: %v, error %v", text, blob, err)
		}
	}
}

func TestStream_DoesNotGiveUpTLS(t *testing.T) {
	t.Parallel()
	baton := "baton"
	for _, test := range []struct {
		from, to string
		want     bool
	}{
		{"https://a.example/", "https://b.example/", true},
		{"http://a.example/", "http://b.example/", true},
		{"http://a.example/", "https://b.example/", true},
		{"https://a.example/", "http://a.example/", false},
		{"https://a.example/", "ftp://a.example/", false},
		{"https://a.example/", "/v2", false},
		{"https://a.example/", ":", false},
	} {
		base, err := url.Parse(test.from)
		if err != nil {
			t.Fatal(err)
		}
		moved := &stream{at: call{base: base}}
		err = moved.move(&pipelineResponse{Baton: &baton, BaseURL: &test.to})
		if (err == nil) != test.want || (err == nil && moved.at.base.String() != test.to) {
			t.Errorf("from %s to %s: %v, error %v", test.from, test.to, moved.at.base, err)
		}
	}
}
