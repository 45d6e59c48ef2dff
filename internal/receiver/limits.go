package receiver

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Limits bound the cost of requests. The receiver faces the internet: anybody can send it anything.
type Limits struct {
	// BodyBytes is the largest body. A Clerk user with three full metadata fields has about 40 kB.
	BodyBytes int64
	// HeaderBytes is the largest request header. net/http allows 4 KiB on top.
	HeaderBytes int
	// Connections is how many connections are open at once; further ones wait to be accepted. It also bounds how many
	// events wait for the API server, because HTTP/1.1 has one request per connection.
	Connections int
	// SmallBodyBytes of a body are read without one of the Bodies slots, so that a slow sender does not block usual events:
	// those have about 4 kB.
	SmallBodyBytes int64
	// Bodies is how many larger bodies are read and verified at once. With BodyBytes it bounds the memory that
	// unauthenticated clients can use: one copy of a body while it arrives, four while its HMAC is computed.
	Bodies int
	// Queue is how long a larger body waits for one of the Bodies slots before the response is 503.
	Queue time.Duration
	// Read is how long header and body may take together.
	Read time.Duration
	// Record is how long recording may take, retries included.
	Record time.Duration
	// Try is how long one attempt to record may take, so that a hanging connection leaves time for another attempt.
	Try time.Duration
	// Write is how long a request may take from its header to the end of the response. Svix waits 15 s.
	Write time.Duration
	// Idle is how long a connection may be without a request. It is longer than a load balancer's usual 60 s: if the
	// receiver closed first, a request in transit would be lost.
	Idle time.Duration
	// Drain is how long, when the process stops, each connection may carry one more delivery; the response then closes the
	// connection. If idle connections were closed at once, a delivery sent at that moment would be lost.
	Drain time.Duration
	// Shutdown is how long requests in flight may take to finish after Drain.
	Shutdown time.Duration
}

// DefaultLimits returns the limits in production. Queueing, reading and recording together stay below the 15 s that Svix
// waits.
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
	// tolerance is how far a signed timestamp may be from the receiver's clock, either way (Svix: five minutes).
	tolerance        = 5 * time.Minute
	toleranceSeconds = int64(tolerance / time.Second)
	// maxMessageID bounds svix-id in bytes. Svix generates ids of 31.
	maxMessageID = 128
	// maxSignatures bounds svix-signature. Svix signs with the current key and at most ten old ones.
	maxSignatures = 16
	// maxSecrets bounds the signing secrets: each costs one HMAC over the body of every request.
	maxSecrets = 16
	// minSecretBytes is the shortest signing secret. Svix generates 24 bytes or more.
	minSecretBytes = 24

	// retryAfter is the Retry-After header of a 503, in seconds. It is Svix's own first delay.
	retryAfter = "5"
	// logEvery bounds the log lines that unauthenticated clients can cause.
	logEvery = time.Second
)

// retryBackoff returns the backoff between two attempts to record. The jitter separates replicas that conflict.
func retryBackoff() wait.Backoff {
	return wait.Backoff{Duration: 25 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 6, Cap: time.Second}
}
