// Package scenarios reads scenario files and runs them: what happens to a cluster, when, and what must be true.
package scenarios
