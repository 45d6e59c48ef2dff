// Package budget owns the deletion budget: how many rows may be deleted, and roles of deleted FitUsers revoked, in one
// period (--max-deletions), across restarts and for every cause. What exceeds it is deferred until the next period or
// until a person overrides the budget.
//
// Read period.go first, which decides, then budget.go, which persists each decision before it takes effect. Which users
// are deferred is not kept here: their FitUsers' conditions report it.
package budget
