// Package clerktest is an in-memory stand-in for Clerk: the users part of Clerk's Backend API, and the sender of its
// Svix-signed webhooks. Tests and `make run` use it in place of the service. Programs reach it through the same SDK and
// the same bytes.
//
// The stand-in is faithful: schemas and limits follow Clerk's OpenAPI document for API version 2025-04-10, error codes
// and texts follow Clerk's published error catalogue, and retries follow Svix. Where these sources are silent, a comment
// marks the behaviour as a choice. The stand-in also injects faults: see [Fault], and the predefined [Response] values
// for the faults that a client of Clerk must handle.
//
// It has no organizations, sessions, sign-in flows or other parts of Clerk, persists nothing, and does not import this
// project's other packages.
//
// Read server.go, control.go and sender.go first. The files *_api.go hold the endpoints, on top of change.go and
// directory.go; faults.go, responses.go and rewrites.go hold the faults, and retry.go Svix's schedule.
//
// A test controls both sides from Go:
//
//	clerk := clerktest.NewServer(clerktest.Config{})
//	api := httptest.NewServer(clerk)
//	sender, err := clerktest.NewSender(clerktest.SenderConfig{URL: receiver.URL, Secrets: []string{secret}})
//	clerk.Attach(sender)
//	id := clerk.SignUp(clerktest.Person{Email: "jane@example.com"})
//	status, err := sender.Deliver(ctx, sender.Pending()[0])
package clerktest
