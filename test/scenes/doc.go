// Package scenes runs simulated processes of the operator, thousands of short runs, and injects a fault into each.
//
// A scene is one such run: a new namespace on a real API server, an empty SQLite table, Clerk's stand-in, and a process
// without a manager. The test holds the process's queue, watch and clock, and calls Reconcile itself, one reconcile at a
// time. So each scene is deterministic, and an extra reconcile cannot hide a fault. The tests run without the race
// detector for the same reason; the concurrent tests are in controllers, cmd and test/soak.
//
// The package owns three kinds of test. A workload runs with a fault at each of its calls, or with a stale cache, and must
// end as without it. A state or random sequence is judged by a model, a second statement of the operator's rules. A preview
// must equal what the operator then writes.
//
// Read harness_test.go, process_test.go and queue_test.go first, then gate_test.go (where faults happen), people_test.go and
// the workloads (what happens to users), faults_test.go (a fault at every call), stale_test.go and invariant_test.go (stale
// caches, and what each write must not do), the model in model_test.go and beside it, states_test.go (every start) and
// order_test.go (random sequences). churn_test.go makes random changes to many users for budget_test.go, lastadmin_test.go and
// owners_test.go. email_test.go, preview_test.go and output_test.go stand alone.
package scenes
