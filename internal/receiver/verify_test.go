package receiver

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// Svix publishes this message and its signature for implementers.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func mustKeys(tb testing.TB, secrets ...string) Keys {
	tb.Helper()
	keys, err := ParseSecrets(strings.Join(secrets, ","))
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// check verifies a body as readEvent does.
func check(header http.Header, body []byte, keys Keys, now time.Time) error {
	d, err := parseDelivery(header)
	if err != nil {
		return err
	}
	return verifySignature(d, body, keys, now)
}

func signatureHeaders(id, timestamp, signature string) http.Header {
	h := http.Header{}
	h.Set("svix-id", id)
	h.Set("svix-timestamp", timestamp)
	h.Set("svix-signature", signature)
	return h
}

func TestVerify_PublishedVector(t *testing.T) {
	t.Parallel()
	header := signatureHeaders(vectorID, fmt.Sprint(vectorTime), vectorSignature)
	if err := check(header, []byte(vectorBody), mustKeys(t, vectorSecret), time.Unix(vectorTime, 0)); err != nil {
		t.Error(err)
	}
}

func TestVerify_TimestampTolerance(t *testing.T) {
	t.Parallel()
	header := signatureHeaders(vectorID, fmt.Sprint(vectorTime), vectorSignature)
	keys := mustKeys(t, vectorSecret)
	for skew, want := range map[int64]error{
		-301: rejectedTimestamp, -300: nil, -299: nil, 0: nil, 299: nil, 300: nil, 301: rejectedTimestamp,
	} {
		if got := check(header, []byte(vectorBody), keys, time.Unix(vectorTime+skew, 0)); !errors.Is(got, want) {
			t.Errorf("clock %+d s from the timestamp: got %v, want %v", skew, got, want)
		}
	}
}

func TestVerify_NoBitCanChange(t *testing.T) {
	t.Parallel()
	keys, now := mustKeys(t, vectorSecret), time.Unix(vectorTime, 0)
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorSignature, "v1,"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sum) * 8 {
		forged := append([]byte{}, sum...)
		forged[i/8] ^= 1 << (i % 8)
		header := signatureHeaders(vectorID, fmt.Sprint(vectorTime), "v1,"+base64.StdEncoding.EncodeToString(forged))
		if got := check(header, []byte(vectorBody), keys, now); !errors.Is(got, rejectedSignature) {
			t.Fatalf("signature with bit %d changed: got %v", i, got)
		}
	}
	header := signatureHeaders(vectorID, fmt.Sprint(vectorTime), vectorSignature)
	for i := range len(vectorBody) * 8 {
		forged := []byte(vectorBody)
		forged[i/8] ^= 1 << (i % 8)
		if got := check(header, forged, keys, now); !errors.Is(got, rejectedSignature) {
			t.Fatalf("body with bit %d changed: got %v", i, got)
		}
	}
}

func TestVerify_NoKey(t *testing.T) {
	t.Parallel()
	// The Svix library signs with an empty secret, and would accept the signature.
	empty, err := svix.NewWebhook("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(vectorTime, 0)
	signature, err := empty.Sign(vectorID, now, []byte(vectorBody))
	if err != nil {
		t.Fatal(err)
	}
	header := signatureHeaders(vectorID, fmt.Sprint(vectorTime), signature)
	if got := check(header, []byte(vectorBody), Keys{}, now); !errors.Is(got, noSecret) {
		t.Errorf("got %v, want %v", got, noSecret)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(vectorID, fmt.Sprint(vectorTime), vectorSignature, []byte(vectorBody))
	f.Add(vectorID, "+1614265330", vectorSignature, []byte(vectorBody))
	f.Add("a.b", "1614265330", "v1, v1,= v1a,x v2,"+vectorSignature, []byte{})
	f.Add("", "", "", []byte(nil))
	keys, now := mustKeys(f, vectorSecret), time.Unix(vectorTime, 0)
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		header := signatureHeaders(id, timestamp, signature)
		if check(header, body, keys, now) != nil {
			return
		}
		// The published message is the only signed one within five minutes of that clock.
		signs := strings.Contains(" "+signature+" ", " "+vectorSignature+" ")
		if id != vectorID || timestamp != fmt.Sprint(vectorTime) || string(body) != vectorBody || !signs {
			t.Errorf("forged: id %q, timestamp %q, signature %q, body %q", id, timestamp, signature, body)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, size := range []int{4 << 10, 40 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			body, now := make([]byte, size), time.Unix(vectorTime, 0)
			signer, err := svix.NewWebhook(vectorSecret)
			if err != nil {
				b.Fatal(err)
			}
			signature, err := signer.Sign(vectorID, now, body)
			if err != nil {
				b.Fatal(err)
			}
			header, keys := signatureHeaders(vectorID, fmt.Sprint(vectorTime), signature), mustKeys(b, vectorSecret)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := check(header, body, keys, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
