// Package leader decides which replica writes. It owns the Lease, this process's part in its election, and the fence that
// keeps a former leader from writing.
//
// Read election.go first: it configures the manager's leader election. lock.go opens and closes the fence with the
// lease, and fence.go checks it for each write.
package leader
