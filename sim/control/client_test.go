package control

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClient(t *testing.T) {
	t.Parallel()
	h := start(t, Options{Token: "t0ken"})
	c := &Client{URL: h.server.URL + "/", Token: "t0ken", HTTP: h.http}
	var made Cluster
	require.NoError(t, c.Do(t.Context(), "PUT", "/clusters/c", ClusterSpec{Ready: "single", Clock: "manual", Plain: true}, &made))
	assert.Equal(t, "c", made.Name)
	assert.Equal(t, "manual", made.Clock.Mode)
	var done StepDone
	require.NoError(t, c.Do(t.Context(), "POST", "/clusters/c/changes", YAML("node.stop: cucm-pub"), &done))
	require.Len(t, done.Steps, 1)
	require.NoError(t, c.Do(t.Context(), "POST", "/clusters/c/reset", nil, nil))
	var raw bytes.Buffer
	require.NoError(t, c.Do(t.Context(), "GET", "/clusters/c/snapshot", nil, &raw))
	assert.Contains(t, raw.String(), "\nstate:\n")

	var p *Problem
	err := c.Do(t.Context(), "POST", "/clusters/c/changes", YAML("node.stop: cucm-sub9"), &done, "If-Match", `"2"`)
	require.ErrorAs(t, err, &p)
	assert.Equal(t, 412, p.Status)
	err = c.Do(t.Context(), "POST", "/clusters/c/changes", YAML("node.stop: cucm-sub9"), &done)
	assert.EqualError(t, err, `line 1, column 12: unknown node "cucm-sub9"; did you mean "cucm-pub"?`)
	c.Token = ""
	require.ErrorAs(t, c.Do(t.Context(), "GET", "/clusters", nil, nil), &p)
	assert.Equal(t, ProblemToken, p.Type)
}

func TestClient_WhatIsNoControlAPI(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) }))
	c := &Client{URL: other.URL}
	err := c.Do(t.Context(), "GET", "/clusters", nil, nil)
	assert.ErrorContains(t, err, "answers 418 I'm a teapot, which a control API of risim would not")
	other.Close()
	err = c.Do(t.Context(), "GET", "/clusters", nil, nil)
	assert.ErrorContains(t, err, "no control API answers at "+other.URL+": connect: connection refused")
	assert.False(t, errors.As(err, new(*Problem)))
	http.DefaultClient.CloseIdleConnections()
}
