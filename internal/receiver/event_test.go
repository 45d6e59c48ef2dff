package receiver

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// eventTime is the time of the events in these tests, and of the receiver's clock.
const eventTime = 1_716_883_200_000

func TestDecodeEvent_Fields(t *testing.T) {
	t.Parallel()
	const id = "user_2abcABC"
	created := event{eventType: v1alpha1.UserCreated, userID: id, occurredAt: eventTime, updatedAt: eventTime - 18}
	timeless := event{eventType: v1alpha1.UserCreated, userID: id}
	data := `{"id":"user_2abcABC","updated_at":1716883199982}`
	cases := map[string]struct {
		body string
		want event
	}{
		"milliseconds":             {`{"type":"user.created","timestamp":1716883200000,"data":` + data + `}`, created},
		"seconds":                  {`{"type":"user.created","timestamp":1716883200,"data":` + data + `}`, created},
		"space around":             {"\r\n {\"type\": \"user.created\" ,\t\"timestamp\":  1716883200 , \"data\" : " + data + "}\n", created},
		"escapes":                  {`{"type":"user\u002ecreated","timestamp":1716883200,"data":{"id":"\u0075ser_2abcABC","updated_at":1716883199982}}`, created},
		"fields in other case":     {`{"type":"user.created","TYPE":"user.deleted","Timestamp":1,"timestamp":1716883200,"data":` + data + `,"Data":{"id":"user_x"}}`, created},
		"fields that are not read": {`{"type":"user.created","timestamp":1716883200,"data":{"id":"user_2abcABC","updated_at":1716883199982,"first_name":"\u0000\ud800","age":1e999999}}`, created},
		"no times":                 {`{"type":"user.created","data":{"id":"user_2abcABC"}}`, timeless},
		"times null":               {`{"type":"user.created","timestamp":null,"data":{"id":"user_2abcABC","updated_at":null}}`, timeless},
		"times not numbers":        {`{"type":"user.created","timestamp":"1716883200","data":{"id":"user_2abcABC","updated_at":{}}}`, timeless},
		"times not integers":       {`{"type":"user.created","timestamp":1716883200.5,"data":{"id":"user_2abcABC","updated_at":1e12}}`, timeless},
		"times beyond integers":    {`{"type":"user.created","timestamp":1e999999,"data":{"id":"user_2abcABC","updated_at":` + strings.Repeat("9", 400) + `}}`, timeless},
		"times negative":           {`{"type":"user.created","timestamp":-1716883200,"data":{"id":"user_2abcABC","updated_at":-1}}`, timeless},
		"times of 2099":            {`{"type":"user.created","timestamp":4070908800000,"data":{"id":"user_2abcABC","updated_at":4070908800000}}`, timeless},
		"deleted": {
			`{"type":"user.deleted","timestamp":1716883200000,"data":{"deleted":true,"id":"user_2abcABC","object":"user"}}`,
			event{eventType: v1alpha1.UserDeleted, userID: id, occurredAt: eventTime},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeEvent([]byte(c.body), "", time.UnixMilli(eventTime))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(event{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseUnixTime_Tolerance(t *testing.T) {
	t.Parallel()
	const limit = eventTime + 300_000
	for sent, want := range map[int64]int64{limit: limit, limit + 1: 0, limit / 1000: limit, limit/1000 + 1: 0} {
		if got := parseUnixTime(fmt.Append(nil, sent), time.UnixMilli(eventTime)); got != want {
			t.Errorf("parseUnixTime(%d) = %d, want %d", sent, got, want)
		}
	}
}

func TestNewHint_DeletionUsesTheEventTime(t *testing.T) {
	t.Parallel()
	e := event{eventType: v1alpha1.UserDeleted, userID: "user_2abc", occurredAt: eventTime}
	got := newHint(&request{event: e, delivery: delivery{messageID: "msg_1"}, receivedAt: time.UnixMilli(eventTime + 40)})
	want := v1alpha1.Hint{MessageID: "msg_1", Type: v1alpha1.UserDeleted, UserUpdatedAt: eventTime, EventAt: eventTime, ReceivedAt: eventTime + 40}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeEvent_Instance(t *testing.T) {
	t.Parallel()
	const ours = "ins_ours"
	cases := map[string]struct {
		field, wanted string
		want          error
	}{
		"ours":                          {`"instance_id":"ins_ours",`, ours, nil},
		"another":                       {`"instance_id":"ins_other",`, ours, rejectedInstance},
		"another, with none configured": {`"instance_id":"ins_other",`, "", nil},
		"missing, as in older examples": {``, ours, nil},
		"null":                          {`"instance_id":null,`, ours, nil},
		"empty":                         {`"instance_id":"",`, ours, nil},
		"not a string":                  {`"instance_id":7,`, ours, rejectedInstance},
		"in other case":                 {`"instance_id":"INS_OURS",`, ours, rejectedInstance},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{` + c.field + `"type":"user.updated","data":{"id":"user_2abc"}}`
			if _, got := decodeEvent([]byte(body), c.wanted, time.UnixMilli(eventTime)); !errors.Is(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"type":"user.created","timestamp":1716883200,"data":{"id":"user_2abc","updated_at":1716883199982}}`,
		`{"type":"user.deleted","data":{"deleted":true,"id":"user_2abc"}}`,
		`{"type":"user.created","type":"user.deleted"}`,
		`{"data":{"id":"../x"},"type":"user.updated"}`,
		"\xef\xbb\xbf{}", `null`, `[`, strings.Repeat(`{"data":`, 20_000),
	} {
		f.Add([]byte(body))
	}
	now, longest := time.UnixMilli(eventTime), delivery{messageID: strings.Repeat("m", maxMessageID)}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decodeEvent(body, "", now)
		if err != nil {
			return
		}
		if !utf8.Valid(body) {
			t.Error("accepted bytes that are not UTF-8")
		}
		if _, err := user.ParseID(string(e.userID)); err != nil || !e.eventType.Known() {
			t.Errorf("accepted user %q of event %q", e.userID, e.eventType)
		}
		limit := now.Add(tolerance).UnixMilli()
		if e.occurredAt < 0 || e.occurredAt > limit || e.updatedAt < 0 || e.updatedAt > limit {
			t.Errorf("accepted times %d and %d", e.occurredAt, e.updatedAt)
		}
		if _, ok := v1alpha1.ParseHint(newHint(&request{event: e, delivery: longest, receivedAt: now}).Encode()); !ok {
			t.Error("its hint cannot be parsed")
		}
	})
}
