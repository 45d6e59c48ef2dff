// Command grafana checks the dashboard on standard input with the types of Grafana's SDK. It prints what Grafana would
// silently drop, such as a misspelt option, or reject, and then exits with 1.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	content, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(content)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "grafana: %v\n", err)
		os.Exit(1)
	}
}

// check returns nil for a valid dashboard.
func check(content []byte) error {
	plugins.RegisterDefaultPlugins() // the panels' types
	var board dashboard.Dashboard    //nolint:staticcheck // version 2 is another format, which Grafana's sidecar does not load yet
	err := board.UnmarshalJSONStrict(content)
	if err != nil && err.Error() != "" { // the library returns an empty list of problems as a non-nil error
		return err
	}
	return board.Validate()
}
