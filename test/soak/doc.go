// Package soak runs two operator processes on a real API server, a real PostgreSQL and Clerk's stand-in with its webhooks.
// While people change users, it injects one fault after another: into the processes, the leader election, the database,
// the API server, the deliveries and the credentials. In the end no change may be lost, nothing may be left over, and no
// personal value may have leaked. The package also measures how long a failover takes.
//
// It checks only the final state and who wrote what; it does not use the operator's internal code. Faults at a single call
// of the operator are tested in test/scenes.
//
// Read world_test.go first (the processes), then people_test.go (the changes), faults_test.go (the faults),
// verify_test.go (the final state) and soak_test.go (the test itself).
package soak
