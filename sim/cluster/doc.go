// Package cluster is one Unified CM cluster as a value: its nodes, devices, registrations and CTI applications.
package cluster
