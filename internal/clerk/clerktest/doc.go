// Package clerktest is a stand-in for Clerk that runs in memory: the part of Clerk's Backend API that deals with
// users, and the sender of its Svix-signed webhooks. Tests and `make run` use it in place of the service; programs
// reach it through the same SDK and the same bytes.
//
// It owns being faithful: schemas and limits are those of Clerk's OpenAPI document for API version 2025-04-10,
// error codes and texts those of Clerk's published error catalogue, retries those of Svix. Where neither says what
// Clerk does, the comment at that place says that it is a choice. It also owns misbehaving on demand: see [Fault]
// and the ready-made [Response] values for everything a client of Clerk has to survive.
//
// It does not own organizations, sessions, sign-in flows or anything else of Clerk, persists nothing, and knows
// nothing of this project's own packages.
//
// A test drives both sides from Go:
//
//	clerk := clerktest.NewServer(clerktest.Config{})
//	api := httptest.NewServer(clerk)
//	sender, err := clerktest.NewSender(clerktest.SenderConfig{URL: receiver.URL, Secrets: []string{secret}})
//	clerk.Attach(sender)
//	id := clerk.SignUp(clerktest.Person{Email: "jane@example.com"})
//	status, err := sender.Deliver(ctx, sender.Pending()[0])
package clerktest
