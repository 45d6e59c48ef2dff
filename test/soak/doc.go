// Package soak runs two operators as processes on a real API server, a real PostgreSQL and Clerk's stand-in with its
// webhooks, lets people change things, and breaks one thing after another meanwhile: the processes, the leadership, the
// database, the API server, the deliveries, the credentials. In the end nothing may be lost, left over or given away. It
// also measures how long a failover takes.
//
// It looks only at what is there in the end, and at what was written by whom: nothing here looks into the operator's own
// code. What happens at a single call of the operator is tested in controllers, and not here.
package soak
