package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

// loadTopic is the guide for load labs. Its figures are those that make bench printed on the machine that it names.
//
//go:embed load.txt
var loadTopic string

// newHelpLoad is the topic of `risim help load`.
func newHelpLoad() *cobra.Command {
	return &cobra.Command{
		Use:   "load",
		Short: "Load labs: what risim can take, and what to switch off",
		Long:  loadTopic,
	}
}
