// Package controllers groups the operator's controllers and owns the tests of their joint behaviour: against a real API
// server, a real table and the stand-in for Clerk.
//
//   - fituser reconciles one user and is the only writer of the table and of Clerk.
//   - sweep finds the users that differ, at list cost, and names them to fituser.
//   - preview runs both with writes recorded instead of made.
package controllers
