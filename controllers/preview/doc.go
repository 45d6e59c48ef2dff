// Package preview owns the answer to "what would the operator write?". It runs the reconciler itself with writes recorded
// instead of made, so that a preview is decided by the code that will act. Nothing is written to Clerk or to the API server;
// writes to the table are made in transactions that are rolled back.
//
// Read preview.go first, then record.go (what is kept of each preview), backends.go (Clerk, the API server and the table as the
// reconciler sees them in a preview) and overlay.go (FitUsers and RoleRules as manifests and recorded writes would leave
// them).
package preview
