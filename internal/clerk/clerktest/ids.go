package clerktest

import (
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
	"unicode"
)

// ksuidEpoch is the zero of KSUID timestamps, 2014-05-13T16:53:20Z (github.com/segmentio/ksuid).
const ksuidEpoch = 1_400_000_000

// ksuidLength is the length of a KSUID, 20 bytes, in base 62.
const ksuidLength = 27

// idSource generates ids in Clerk's format: a prefix and a KSUID, which sorts by its time. The same seed and clock
// produce the same ids, so that a failed test can be reproduced.
type idSource struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newIDSource(seed string) *idSource {
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed)) // never returns an error
	return &idSource{rng: rand.New(rand.NewPCG(h.Sum64(), ksuidEpoch))}
}

// id returns prefix followed by the KSUID of t.
func (s *idSource) id(prefix string, t time.Time) string {
	var b [20]byte
	binary.BigEndian.PutUint32(b[:4], uint32(t.Unix()-ksuidEpoch))
	s.fill(b[4:])
	// big.Int and KSUID differ only in the order of upper and lower case.
	text := strings.Map(swapCase, new(big.Int).SetBytes(b[:]).Text(62))
	return prefix + strings.Repeat("0", ksuidLength-len(text)) + text
}

// trace returns a clerk_trace_id: 32 hexadecimal digits.
func (s *idSource) trace() string {
	var b [16]byte
	s.fill(b[:])
	return hex.EncodeToString(b[:])
}

// fill overwrites b, which is 16 bytes long, with random bytes.
func (s *idSource) fill(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	binary.BigEndian.PutUint64(b, s.rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], s.rng.Uint64())
}

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}
