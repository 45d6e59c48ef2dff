package receiver

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Limits bound what requests may cost. The receiver faces the internet: anybody can send it anything.
type Limits struct {
	// BodyBytes is the largest body. A Clerk user with three full metadata fields has some 40 kB.
	BodyBytes int64
	// HeaderBytes is the largest request header. net/http allows 4 KiB on top.
	HeaderBytes int
	// Connections is how many connections are open at once; more wait to be accepted. It also bounds how many events wait
	// for the API server, as HTTP/1.1 has one request per connection.
	Connections int
	// SmallBodyBytes of a body are read without a place among Bodies, so that whoever sends slowly keeps no usual event out:
	// those have some 4 kB.
	SmallBodyBytes int64
	// Bodies is how many larger bodies are read and verified at once. With BodyBytes it bounds the memory that strangers can
	// take: a body is there once while it arrives, four times while its HMAC is computed.
	Bodies int
	// Queue is how long a larger body waits for a place among Bodies before it is answered 503.
	Queue time.Duration
	// Read is how long header and body may take together.
	Read time.Duration
	// Record is how long recording may take, retries included.
	Record time.Duration
	// Try is how long one try of recording may take, so that a hanging connection leaves time for another try.
	Try time.Duration
	// Write is how long a request may take from its header to the end of the answer. Svix waits 15 s.
	Write time.Duration
	// Idle is how long a connection may be without a request. It is longer than a load balancer's usual 60 s: if the
	// receiver closed first, requests on their way would be lost.
	Idle time.Duration
	// Drain is for how long, when the process stops, each connection may bring one delivery more, which is answered with
	// the end of the connection. Were idle ones closed at once, what is sent at that very moment would be lost.
	Drain time.Duration
	// Shutdown is how long requests under way may take to finish after that.
	Shutdown time.Duration
}

// DefaultLimits are the limits in production. Queueing, reading and recording together stay
// below the 15 s that Svix waits.
func DefaultLimits() Limits {
	return Limits{
		BodyBytes:      1 << 20,
		HeaderBytes:    16 << 10,
		Connections:    512,
		SmallBodyBytes: 16 << 10,
		Bodies:         32,
		Queue:          time.Second,
		Read:           5 * time.Second,
		Record:         8 * time.Second,
		Try:            3 * time.Second,
		Write:          15 * time.Second,
		Idle:           90 * time.Second,
		Drain:          time.Second,
		Shutdown:       15 * time.Second,
	}
}

const (
	// tolerance is how far a signed timestamp may be from our clock, either way (Svix: five minutes).
	tolerance        = 5 * time.Minute
	toleranceSeconds = int64(tolerance / time.Second)
	// maxMessageID bounds svix-id in bytes. Svix's own have 31.
	maxMessageID = 128
	// maxSignatures bounds svix-signature. Svix signs with the present key and at most ten old ones.
	maxSignatures = 16
	// maxSecrets bounds the signing secrets: each costs one HMAC over the body of every request.
	maxSecrets = 16
	// minSecretBytes is the shortest signing secret. Svix makes 24 bytes or more.
	minSecretBytes = 24

	// retryAfter is what a 503 asks for, in seconds. It is Svix's own first delay.
	retryAfter = "5"
	// logEvery bounds the log lines that strangers can cause.
	logEvery = time.Second
)

// betweenTries is the wait between two tries of recording. The jitter parts replicas that run into each other.
func betweenTries() wait.Backoff {
	return wait.Backoff{Duration: 25 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 6, Cap: time.Second}
}
