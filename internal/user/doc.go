// Package user is the domain: what a user is in each of the three places, which facts differ, and which role is in
// force. Everything in it is a value or a pure function; it knows neither Kubernetes nor Clerk's wire format nor SQL,
// and imports the standard library only.
package user
