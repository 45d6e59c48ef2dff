// Package user is the domain: users in Clerk, their rows, the columns that are compared, and the role in force. It
// contains values and pure functions. It imports the standard library only and does not depend on Kubernetes, on
// Clerk's wire format or on SQL.
//
// Read row.go first: it defines the two records and the table of columns that the rest of the code derives from. Then
// read policy.go: [Policy.Plan] decides every role.
package user
