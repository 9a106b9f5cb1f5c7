package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/risim/risim/sim/cluster"
)

const (
	defaultListen = "127.0.0.1:0"
	memoryPort    = 8443 // in the URL of a simulator that is only in memory; nothing is bound to it
	portAttempts  = 50   // for a port that is free on every node's address
)

// endpoint is one place at which the service is reached: all nodes', or with Options.PerNode one node's.
type endpoint struct {
	node      cluster.NodeName // which node answers
	addr      netip.AddrPort   // as clients on this machine reach it
	bound     netip.Addr       // the address listened on, which may be the unspecified one
	url       string
	listeners []net.Listener // a socket, memory or both; in TLS unless it is plain
	memory    *memoryListener
}

// listenPlan says what to bind.
type listenPlan struct {
	host   string
	port   uint16
	nodes  []cluster.NodeName // one endpoint for each
	socket bool
	memory bool
}

// planListen reads Options.Listen and its neighbours.
func planListen(o *Options, nodes []cluster.NodeName) (listenPlan, error) {
	p := listenPlan{nodes: nodes, memory: o.InMemory, socket: !o.InMemory || o.Listen != ""}
	if !o.PerNode {
		p.nodes = nodes[:min(1, len(nodes))]
	}
	listen := o.Listen
	if listen == "" {
		listen = defaultListen
	}
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return p, fmt.Errorf("listen address %q is not HOST:PORT, such as 127.0.0.1:8443 or :8443", listen)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return p, fmt.Errorf("listen address %q: port %q is not a number from 0 to 65535", listen, portText)
	}
	p.host, p.port = host, uint16(port)
	if o.PerNode {
		base, err := netip.ParseAddr(host)
		if err != nil || !base.Is4() || !base.IsLoopback() {
			return p, fmt.Errorf("listen address %q: one address per node needs an IPv4 loopback address to count from, "+
				"such as 127.0.0.1:8443", listen)
		}
		if last := int(base.As4()[3]) + len(nodes) - 1; last > 254 {
			return p, fmt.Errorf("listen address %q: there are not %d loopback addresses from %s to 127.%d.%d.254",
				listen, len(nodes), base, base.As4()[1], base.As4()[2])
		}
	}
	return p, nil
}

// hostOf is the address of the i-th node.
func (p *listenPlan) hostOf(i int) string {
	if i == 0 {
		return p.host
	}
	a := netip.MustParseAddr(p.host).As4()
	a[3] += byte(i)
	return netip.AddrFrom4(a).String()
}

// bind binds every listener or none. With port 0 it looks for one that is free on all addresses.
func (p *listenPlan) bind(ctx context.Context) (_ []*endpoint, err error) {
	for attempt := 1; ; attempt++ {
		endpoints, err := p.bindOnce(ctx)
		if err == nil {
			return endpoints, nil
		}
		if p.port != 0 || len(p.nodes) == 1 || attempt == portAttempts || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
}

func (p *listenPlan) bindOnce(ctx context.Context) (endpoints []*endpoint, err error) {
	defer func() {
		if err != nil {
			closeListeners(endpoints)
		}
	}()
	port := p.port
	for i, node := range p.nodes {
		e := &endpoint{node: node}
		if p.socket {
			var config net.ListenConfig
			l, err := config.Listen(ctx, "tcp", net.JoinHostPort(p.hostOf(i), strconv.Itoa(int(port))))
			if err != nil {
				return endpoints, listenError(err, i)
			}
			e.listeners = append(e.listeners, l)
			endpoints = append(endpoints, e)
			bound := l.Addr().(*net.TCPAddr).AddrPort()
			port, e.bound = bound.Port(), bound.Addr().Unmap()
		} else {
			if port == 0 {
				port = memoryPort
			}
			host := p.hostOf(i)
			if e.bound, err = netip.ParseAddr(host); err != nil {
				e.bound = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			}
			endpoints = append(endpoints, e)
		}
		e.addr = netip.AddrPortFrom(reachable(e.bound, p.host), port)
		if p.memory {
			e.memory = newMemoryListener(e.addr)
			e.listeners = append(e.listeners, e.memory)
		}
	}
	return endpoints, nil
}

// reachable turns an address that means every address into one that clients on this machine can use: 127.0.0.1 unless
// IPv6 was asked for by name.
func reachable(a netip.Addr, host string) netip.Addr {
	switch {
	case !a.IsUnspecified():
		return a
	case strings.Contains(host, ":"):
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// listenError says which address cannot be had and, where that is known, what helps.
func listenError(err error, i int) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		err = fmt.Errorf("cannot listen on %s: %w", op.Addr, op.Err)
	} else {
		err = fmt.Errorf("cannot listen: %w", err)
	}
	if i > 0 && errors.Is(err, syscall.EADDRNOTAVAIL) {
		err = fmt.Errorf("%w (some systems, macOS among them, have only 127.0.0.1 until more are added: "+
			"sudo ifconfig lo0 alias 127.0.0.%d up)", err, i+1)
	}
	return err
}

func closeListeners(endpoints []*endpoint) {
	for _, e := range endpoints {
		for _, l := range e.listeners {
			l.Close()
		}
	}
}

// addresses lists every address under which the endpoints are reached: for an unspecified one, all of the machine's.
func addresses(endpoints []*endpoint) []netip.Addr {
	var out []netip.Addr
	for _, e := range endpoints {
		out = append(out, e.addr.Addr())
		if !e.bound.IsUnspecified() {
			continue
		}
		out = append(out, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
		machine, _ := net.InterfaceAddrs() // what cannot be found cannot be named
		for _, m := range machine {
			if p, ok := m.(*net.IPNet); ok {
				if a, ok := netip.AddrFromSlice(p.IP); ok {
					out = append(out, a.Unmap())
				}
			}
		}
	}
	return out
}
