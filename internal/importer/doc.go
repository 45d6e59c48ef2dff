// Package importer moves people from before Clerk to Clerk: rows of the users table that belong to no Clerk user become Clerk
// users, and get the key that the mapping demands. It reads the table and Clerk, decides for each row, and acts only when
// [Config].Act is set.
//
// An import can be stopped at any point and started again: a user's external_id in Clerk names the row, so that a second import
// finds what the first one created.
//
// Read decide.go first, the decision for a row. importer.go and page.go do what it says, hash.go recognizes hashed passwords,
// report.go and text.go show the result, and export.go writes it for Clerk's own tool.
package importer
