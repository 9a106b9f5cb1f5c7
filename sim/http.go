package sim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// Bounds of the HTTP server. Bodies are the service's matter (rule H8).
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = time.Minute // of a whole request: a body that stalls ends there
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10

	// Close has two seconds, also on a machine that is busy. Requests that wait for a node's time-out are told to stop
	// in time to be answered still: Shutdown looks rarely, at about 0.25, 0.5 and 1 second.
	patience  = 400 * time.Millisecond
	drainTime = 1000 * time.Millisecond
)

// routeRIS is the name of the service's route.
const routeRIS = "ris"

// newHandler routes what arrives at a node. Requests that no route wants are the service's too: it answers 404 and
// reports the exchange like any other, which middleware of the router would not hear of. The service's path as nearly all
// clients spell it leads where the router would lead it, without the copy of the request that a router makes.
func newHandler(service *soap.Service, node cluster.NodeName) http.Handler {
	ris := service.Handler(node)
	router := mux.NewRouter().SkipClean(true) // a redirect would turn the client's POST into a GET (rule H1)
	router.NotFoundHandler = service.NotFound(node)
	router.MatcherFunc(isServicePath).Name(routeRIS).Handler(ris)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == soap.Path {
			ris.ServeHTTP(w, r)
			return
		}
		router.ServeHTTP(w, r)
	})
}

// isServicePath accepts the service's path with any number of slashes between its words and behind them (rule H1).
func isServicePath(r *http.Request, _ *mux.RouteMatch) bool {
	path := r.URL.Path
	return path == soap.Path || strings.HasPrefix(path, "/") && slices.Equal(words(path), words(soap.Path))
}

func words(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// server serves all endpoints of one simulator.
type server struct {
	http    *http.Server
	stop    context.CancelFunc // ends the context of every request
	serving sync.WaitGroup

	mu      sync.Mutex
	silent  map[net.Conn]struct{} // connections on which no request has begun
	silents atomic.Int64          // how many there are, for those that find none
	closing bool
}

type endpointKey struct{}

// newServer makes a server that hands each request to the handler of the endpoint at which it arrived.
func newServer(log *slog.Logger, handlers map[*endpoint]http.Handler) *server {
	ctx, stop := context.WithCancel(context.Background())
	byListener := map[net.Listener]http.Handler{}
	for e, h := range handlers {
		for _, l := range e.listeners {
			byListener[l] = h
		}
	}
	s := &server{stop: stop, silent: map[net.Conn]struct{}{}}
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Context().Value(endpointKey{}).(http.Handler).ServeHTTP(w, r)
		}),
		BaseContext: func(l net.Listener) context.Context {
			return context.WithValue(ctx, endpointKey{}, byListener[l])
		},
		ConnContext:       withConnection,
		ConnState:         s.connState,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         new(http.Protocols),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.http.Protocols.SetHTTP1(true) // clients of Unified CM never see HTTP/2
	return s
}

// serve serves one listener in a goroutine of its own until close.
func (s *server) serve(l net.Listener) {
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.http.ErrorLog.Printf("listener %v: %v", l.Addr(), err)
		}
	})
}

// connState keeps track of silent connections. [http.Server.Shutdown] waits seconds for those, although clients open
// them in advance and never use them.
func (s *server) connState(c net.Conn, state http.ConnState) {
	if state != http.StateNew && s.silents.Load() == 0 { // as nearly always: each request comes here twice
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.silent, c)
	case s.closing:
		cut(c)
	default:
		s.silent[c] = struct{}{}
	}
	s.silents.Store(int64(len(s.silent)))
}

// close stops accepting, lets requests finish for as long as drainTime and then cuts them off.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	hurry := time.AfterFunc(patience, s.stop)
	defer hurry.Stop()
	defer s.stop()

	s.mu.Lock()
	s.closing = true
	for c := range s.silent {
		cut(c)
	}
	s.mu.Unlock()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests that were still running after %v were cut off: %w", drainTime, err), s.http.Close())
	}
	s.serving.Wait()
	return err
}

// cut closes a connection without a last word, which would wait for a client that does not listen.
func cut(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	c.Close()
}
