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

// eventTime is when the events of these tests happened; the receiver's clock stands there too.
const eventTime = 1_716_883_200_000

func TestOfAnEventOnlyTheHintIsTaken(t *testing.T) {
	t.Parallel()
	const id = "user_2abcABC"
	created := event{kind: v1alpha1.UserCreated, user: id, at: eventTime, updatedAt: eventTime - 18}
	timeless := event{kind: v1alpha1.UserCreated, user: id}
	data := `{"id":"user_2abcABC","updated_at":1716883199982}`
	cases := map[string]struct {
		body string
		want event
	}{
		"milliseconds":          {`{"type":"user.created","timestamp":1716883200000,"data":` + data + `}`, created},
		"seconds":               {`{"type":"user.created","timestamp":1716883200,"data":` + data + `}`, created},
		"space around":          {"\r\n {\"type\": \"user.created\" ,\t\"timestamp\":  1716883200 , \"data\" : " + data + "}\n", created},
		"escapes":               {`{"type":"user\u002ecreated","timestamp":1716883200,"data":{"id":"\u0075ser_2abcABC","updated_at":1716883199982}}`, created},
		"fields in other case":  {`{"type":"user.created","TYPE":"user.deleted","Timestamp":1,"timestamp":1716883200,"data":` + data + `,"Data":{"id":"user_x"}}`, created},
		"fields not looked at":  {`{"type":"user.created","timestamp":1716883200,"data":{"id":"user_2abcABC","updated_at":1716883199982,"first_name":"\u0000\ud800","age":1e999999}}`, created},
		"no times":              {`{"type":"user.created","data":{"id":"user_2abcABC"}}`, timeless},
		"times null":            {`{"type":"user.created","timestamp":null,"data":{"id":"user_2abcABC","updated_at":null}}`, timeless},
		"times not numbers":     {`{"type":"user.created","timestamp":"1716883200","data":{"id":"user_2abcABC","updated_at":{}}}`, timeless},
		"times no integers":     {`{"type":"user.created","timestamp":1716883200.5,"data":{"id":"user_2abcABC","updated_at":1e12}}`, timeless},
		"times beyond integers": {`{"type":"user.created","timestamp":1e999999,"data":{"id":"user_2abcABC","updated_at":` + strings.Repeat("9", 400) + `}}`, timeless},
		"times negative":        {`{"type":"user.created","timestamp":-1716883200,"data":{"id":"user_2abcABC","updated_at":-1}}`, timeless},
		"times of 2099":         {`{"type":"user.created","timestamp":4070908800000,"data":{"id":"user_2abcABC","updated_at":4070908800000}}`, timeless},
		"deleted": {
			`{"type":"user.deleted","timestamp":1716883200000,"data":{"deleted":true,"id":"user_2abcABC","object":"user"}}`,
			event{kind: v1alpha1.UserDeleted, user: id, at: eventTime},
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

func TestTimesAreBelievedUpToTheTolerance(t *testing.T) {
	t.Parallel()
	const limit = eventTime + 300_000
	for sent, want := range map[int64]int64{limit: limit, limit + 1: 0, limit / 1000: limit, limit/1000 + 1: 0} {
		if got := instant(fmt.Append(nil, sent), time.UnixMilli(eventTime)); got != want {
			t.Errorf("instant(%d) = %d, want %d", sent, got, want)
		}
	}
}

func TestADeletionIsOrderedByItsOwnTime(t *testing.T) {
	t.Parallel()
	e := event{kind: v1alpha1.UserDeleted, user: "user_2abc", at: eventTime}
	got := e.hint("msg_1", time.UnixMilli(eventTime+40))
	want := v1alpha1.Hint{MessageID: "msg_1", Type: v1alpha1.UserDeleted, UserUpdatedAt: eventTime, EventAt: eventTime, ReceivedAt: eventTime + 40}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInstanceOfAnEvent(t *testing.T) {
	t.Parallel()
	const ours = "ins_ours"
	cases := map[string]struct {
		field, wanted string
		want          error
	}{
		"ours":                            {`"instance_id":"ins_ours",`, ours, nil},
		"another":                         {`"instance_id":"ins_other",`, ours, rejectedInstance},
		"another, and none is configured": {`"instance_id":"ins_other",`, "", nil},
		"none, as in older examples":      {``, ours, nil},
		"null":                            {`"instance_id":null,`, ours, nil},
		"empty":                           {`"instance_id":"",`, ours, nil},
		"not a string":                    {`"instance_id":7,`, ours, rejectedInstance},
		"in other case":                   {`"instance_id":"INS_OURS",`, ours, rejectedInstance},
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
	now := time.UnixMilli(eventTime)
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decodeEvent(body, "", now)
		if err != nil {
			return
		}
		if !utf8.Valid(body) {
			t.Error("took bytes that are not UTF-8")
		}
		if _, err := user.ParseID(string(e.user)); err != nil || !concernsUser(e.kind) {
			t.Errorf("took user %q of event %q", e.user, e.kind)
		}
		limit := now.Add(tolerance).UnixMilli()
		if e.at < 0 || e.at > limit || e.updatedAt < 0 || e.updatedAt > limit {
			t.Errorf("took times %d and %d", e.at, e.updatedAt)
		}
		if _, ok := v1alpha1.ParseHint(e.hint(strings.Repeat("m", maxMessageID), now).Encode()); !ok {
			t.Error("its hint cannot be read back")
		}
	})
}
