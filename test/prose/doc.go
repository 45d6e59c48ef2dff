// Package prose measures the language of comments and documentation. It counts five patterns that make sentences hard to
// read, and fails where they occur more often than in well-known Go projects. `make prose` prints the counts.
//
// Read prose_test.go first: patterns, ranges and the test. text_test.go finds the files, and comments_test.go the text in Go,
// shell, Makefiles and pages.
//
// The ranges are the upper ends of what karpenter, crossplane-runtime, notification-controller, river, controller-runtime
// and wtf have per thousand comment lines, measured on 2026-11-29. Vale does the matching as well, but reports each match
// and has no rate, so a project could not be held to a range.
package prose
