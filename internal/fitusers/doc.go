// Package fitusers answers one question for the receiver, the reconciler, the sweep and the preview: which FitUsers does
// a Clerk user have?
//
// Read names.go first (how a FitUser that the operator creates is called), then lookup.go (how a user's FitUsers are
// found), active.go (which of them counts), create.go (how one is created) and transform.go (what a cache keeps of each).
package fitusers
