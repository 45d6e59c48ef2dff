// Package fituser owns the reconcile of one user. Its requests are Clerk user ids, not objects: one reconcile observes
// everything about that user, decides, and acts. It is the only writer of the users table and of Clerk.
//
// Read in this order: reconcile.go (the order of the steps), observe.go (what is read), role.go, row.go, email.go and
// deleted.go (one step each, with limits.go before a role or a row goes), then finish.go, status.go and conditions.go (what
// is reported). address.go binds manifests that name an e-mail address, expiry.go ends roles at their time. syncerror.go is
// why a side is not in sync, controller.go and watch.go how reconciles are requested.
package fituser
