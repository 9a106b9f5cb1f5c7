package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
)

// Options says how to serve the API.
type Options struct {
	// Listen is the address, HOST:PORT; port 0 picks a free one. "" means 127.0.0.1:0.
	Listen string
	// Token is the bearer token that requests must bring. "" means none where only this machine can reach the API, and a
	// drawn one elsewhere.
	Token string
	// Pprof serves the profiles of the process below /debug/pprof/ too. false does not.
	Pprof bool
	// Logger is told what an operator may want to know. nil discards.
	Logger *slog.Logger
}

// Server is the API of a host, on a listener of its own. Start makes it; Close ends it.
type Server struct {
	URL          string // such as http://127.0.0.1:8480
	Token        string // that requests must bring; "" when none is needed
	Drawn        bool   // Token was drawn, and whoever is to use it must be told
	OnlyLoopback bool   // no other machine can reach it

	api    *api
	http   *http.Server
	served sync.WaitGroup
}

// api is what serves requests.
type api struct {
	host   *Host
	routes []route
	beside []route
	log    *slog.Logger
	ctx    context.Context // ends with the server

	once    sync.Once
	openapi []byte

	running atomic.Int64 // requests that are being served
}

func newAPI(ctx context.Context, h *Host, log *slog.Logger) *api {
	return &api{host: h, routes: routes(), beside: beside(), log: log, ctx: ctx}
}

func (a *api) ending() bool { return a.ctx.Err() != nil }

// Bounds of the server. An answer may take long: waiting for something, or a stream.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	drainTime         = time.Second
)

// Start serves the API of a host until Close. When it returns, the listener is bound. It does not close the host.
func Start(h *Host, o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Addr != nil {
			return nil, fmt.Errorf("the control API cannot listen on %s: %w", op.Addr, op.Err)
		}
		return nil, fmt.Errorf("the control API cannot listen on %q: %w", o.Listen, err)
	}
	bound := listener.Addr().(*net.TCPAddr).AddrPort()
	at := netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
	s := &Server{Token: o.Token, OnlyLoopback: at.Addr().IsLoopback()}
	if s.Token == "" && !s.OnlyLoopback {
		s.Token, s.Drawn = drawToken(), true
	}
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	s.URL = "http://" + at.String()
	machine, _ := os.Hostname() // one name less, when it is not known
	guard := newGuard(o.Listen, bound.Addr().Unmap(), machine, s.Token)
	ctx, stop := context.WithCancel(context.Background())
	s.api = newAPI(ctx, h, o.Logger)
	s.http = &http.Server{
		Handler:           s.api.handler(guard, o.Pprof),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	s.http.RegisterOnShutdown(stop) // which ends what waits or streams
	s.served.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("the control API has ended", "error", err)
		}
	})
	return s, nil
}

// drawToken makes a token that nobody can guess.
func drawToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Close stops accepting, lets requests finish for as long as a second, and then cuts them off.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil && s.api.running.Load() == 0 { // only connections: browsers open some in advance, and one lingers after too long a body
		err = s.http.Close()
	} else if err != nil {
		err = errors.Join(fmt.Errorf("requests that were still running after %v were cut off: %w", drainTime, err), s.http.Close())
	}
	s.served.Wait()
	return err
}

// handler is the router behind the guard, which sees what no route wants, too.
func (a *api) handler(g *guard, profiles bool) http.Handler {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	add := func(prefix string, list []route) {
		for i := range list {
			r := &list[i]
			methods := []string{r.method}
			if prefix == "" {
				methods = append(methods, http.MethodHead) // as some who look after health ask
			}
			router.Path(prefix + r.path).Methods(methods...).Name(r.name).HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				c := &call{api: a, w: w, r: req, status: r.status}
				if err := r.serve(c); err != nil {
					c.fail(err)
				}
			})
		}
	}
	add(Base, a.routes)
	add("", a.beside)
	if profiles {
		for name, f := range map[string]http.HandlerFunc{"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace} {
			router.Path(pathPprof + name).HandlerFunc(f)
		}
		router.PathPrefix(pathPprof).HandlerFunc(pprof.Index)
	}
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(ProblemNotFound, "there is nothing at %s; GET %s/openapi.json tells what there is", clip(r.URL.Path), Base).write(w)
	})
	router.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed := allowed(router, r)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		refuse(ProblemMethod, "%s is not what is done there; expected %s", clip(r.Method), strings.Join(allowed, " or ")).write(w)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.running.Add(1)
		defer a.running.Add(-1)
		defer func() {
			if p := recover(); p == http.ErrAbortHandler {
				panic(p)
			} else if p != nil {
				a.log.Error("the control API failed on a request", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				(&Problem{Type: problemPrefix + "failure", Title: "The simulator itself has failed", Status: http.StatusInternalServerError,
					Detail: "This is a fault of risim; its log says more."}).write(w)
			}
		}()
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if p := g.check(r); p != nil {
			if p.Type == ProblemToken {
				h.Set("WWW-Authenticate", `Bearer realm="risim control"`)
			}
			p.write(w)
			return
		}
		router.ServeHTTP(w, r)
	})
}

// allowed lists the methods of the path that a request is for.
func allowed(router *mux.Router, r *http.Request) []string {
	var out []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = m
		var match mux.RouteMatch
		if router.Match(probe, &match) && match.MatchErr == nil && match.Route != nil && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}
