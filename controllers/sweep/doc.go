// Package sweep owns the periodic comparison of all of Clerk, the table and the FitUsers, at the cost of listing each. It
// names the users that differ; the reconciler reads and repairs them. Of users it writes nothing.
//
// Read sweep.go first (the steps of one sweep), then pages.go (how Clerk is listed), compare.go (what differs), missed.go
// (which changes no webhook reported) and schedule.go (when a sweep runs).
package sweep
