// Package controllers keeps Clerk, the FitUsers and the users table in agreement.
//
// The [Reconciler] is the only writer of the table and of Clerk. It works on a user, not on an object: its requests are
// Clerk ids, and one reconcile looks at all that is known of that user. What to do is decided by pure functions
// (serving.go, lag.go, [user.RoleFacts.Plan], status.go, conditions.go); the steps that act on it are thin (role.go,
// row.go, gone.go).
package controllers
