// Package rolerule owns the status of RoleRules. It decides no role: the reconciler of users does, by the rules that
// [Lister.Rules] returns. A rule that changes requests a sweep, which names the users whose role changes.
//
// Read rules.go first (RoleRules as the domain sees them), then controller.go (when a rule is reconciled) and status.go (what
// its conditions report).
package rolerule
