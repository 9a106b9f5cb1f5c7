package cluster

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// How an Item is compared (section W of the rules): names, descriptions and user names ignoring case, directory
// numbers with \+ as +, addresses as addresses when no wildcard stands in the item and as printed text otherwise.

// glob is a text with wildcards, cut at them: "*5X7" is {"", "5X7"}, "SEP*A*F" is {"SEP", "A", "F"} (rule W3).
// One part means no wildcard. The parts are folded when the matcher ignores case.
type glob []string

func newGlob(item string, literal bool) glob {
	if literal {
		return glob{item}
	}
	parts := strings.Split(item, "*")
	// "A**B" means the same as "A*B": drop empty parts in the middle.
	kept := parts[:1]
	for i, p := range parts[1:] {
		if p != "" || i == len(parts)-2 {
			kept = append(kept, p)
		}
	}
	return kept
}

// exact says that no wildcard stands in the item.
func (g glob) exact() bool { return len(g) == 1 }

// all says that the item is "*".
func (g glob) all() bool { return len(g) == 2 && g[0] == "" && g[1] == "" }

// prefix gives the fixed start of an item whose only wildcard is at its end (rule W2).
func (g glob) prefix() (string, bool) { return g[0], len(g) == 2 && g[1] == "" }

// match compares a folded text, or any text when the glob was not folded.
func (g glob) match(text string) bool {
	if len(g) == 1 {
		return text == g[0]
	}
	last := len(g) - 1
	if !strings.HasPrefix(text, g[0]) {
		return false
	}
	text = text[len(g[0]):]
	for _, part := range g[1:last] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, g[last])
}

// fold gives the form in which two texts that differ only in case are equal (rule W6). It gives back text itself,
// without allocating, when it is folded already, as device names usually are.
func fold(text string) string {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c >= utf8.RuneSelf || 'a' <= c && c <= 'z' {
			// Lower first: a few letters, such as the final sigma, have several lower-case forms.
			return strings.ToUpper(strings.ToLower(text))
		}
	}
	return text
}

// sameFold says whether two texts differ at most in case, without allocating for texts of ASCII.
func sameFold(a, b string) bool {
	if a == b {
		return true
	}
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := a[i], b[i]
		if x >= utf8.RuneSelf || y >= utf8.RuneSelf {
			return fold(a) == fold(b)
		}
		if upper(x) != upper(y) {
			return false
		}
	}
	return len(a) == len(b) || fold(a) == fold(b)
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// number gives a directory number, or an item for one, without the backslash that Unified CM prints before a plus
// (rule W7).
func number(dn string) string { return strings.ReplaceAll(dn, `\+`, "+") }

// matcher is the Items of a query, ready to be compared with many records.
type matcher struct {
	all    bool // no items, an empty one, or "*"
	fold   bool // names, descriptions and users: compared folded
	number bool // directory numbers
	v4, v6 bool // addresses

	items   []string // as sent
	literal bool
	folded  bool                // every item is its own folded form
	globs   []glob              // one per item, folded or normalised
	wild    []glob              // those of them with a wildcard
	exact   map[string]struct{} // the others, once many of them have been compared with; see text
	raw     map[string]struct{} // the items as sent, once caseOnly has needed them
	addrs   []netip.Addr        // the others that are addresses, when addresses are compared, in order

	oneGlob [1]glob // room for a single item
	oneText [1]string
}

// init makes the matcher ready for items; what is compared has been set.
func (m *matcher) init(items []string, literal bool) {
	m.items, m.literal, m.folded = items, literal, true
	if len(items) == 0 {
		m.all = true
		return
	}
	texts := m.oneText[:0]
	m.globs = m.oneGlob[:0]
	if len(items) > 1 {
		m.globs, texts = make([]glob, 0, len(items)), make([]string, 0, len(items))
	}
	for _, item := range items {
		text := item
		switch {
		case m.fold:
			text = fold(text)
			m.folded = m.folded && text == item
		case m.number:
			text = number(text)
		case m.v4, m.v6:
			text = strings.ToLower(text)
		}
		var g glob
		if literal || strings.IndexByte(text, '*') < 0 {
			texts = append(texts, text)
			g = glob(texts[len(texts)-1 : len(texts) : len(texts)])
		} else {
			g = newGlob(text, literal)
		}
		if text == "" || g.all() {
			m.all = true
			return
		}
		m.globs = append(m.globs, g)
		switch {
		case !g.exact():
			m.wild = append(m.wild, g)
		case m.v4 || m.v6:
			if a, err := netip.ParseAddr(text); err == nil {
				m.addrs = append(m.addrs, a.Unmap())
			}
		}
	}
	slices.SortFunc(m.addrs, netip.Addr.Compare)
}

// text compares a text that has been folded or normalised as the matcher's items were.
func (m *matcher) text(s string) bool {
	const few = 8
	if len(m.globs) <= few {
		for _, g := range m.globs {
			if g.match(s) {
				return true
			}
		}
		return false
	}
	if m.exact == nil {
		m.exact = make(map[string]struct{}, len(m.globs))
		for _, g := range m.globs {
			if g.exact() {
				m.exact[g[0]] = struct{}{}
			}
		}
	}
	if _, ok := m.exact[s]; ok {
		return true
	}
	for _, g := range m.wild {
		if g.match(s) {
			return true
		}
	}
	return false
}

// addr compares an address.
func (m *matcher) addr(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	if _, ok := slices.BinarySearchFunc(m.addrs, a, netip.Addr.Compare); ok {
		return true
	}
	if len(m.wild) == 0 {
		return false
	}
	var room [40]byte
	text := string(AppendAddr(room[:0], a))
	for _, g := range m.wild {
		if g.match(text) {
			return true
		}
	}
	return false
}

// caseOnly gives an item that matches a text only because case is ignored, empty when there is none (rule W6).
func (m *matcher) caseOnly(text string) string {
	if m.all || !m.fold {
		return ""
	}
	key := fold(text)
	if m.folded && key == text {
		return ""
	}
	if m.raw == nil {
		m.raw = make(map[string]struct{}, len(m.items))
		for _, item := range m.items {
			m.raw[item] = struct{}{}
		}
	}
	if _, ok := m.raw[text]; ok {
		return ""
	}
	hit := ""
	for i, g := range m.globs {
		if !g.match(key) {
			continue
		}
		if newGlob(m.items[i], m.literal).match(text) {
			return ""
		}
		hit = m.items[i]
	}
	return hit
}

// AppendAddr appends an address as RIS prints it: IPv4 with dots; IPv6 as eight full groups, zero-padded, lower
// case (rule X5). The zero Addr appends nothing.
func AppendAddr(b []byte, a netip.Addr) []byte {
	switch {
	case a.Is6():
		raw := a.As16()
		const hex = "0123456789abcdef"
		for i, c := range raw {
			if i > 0 && i%2 == 0 {
				b = append(b, ':')
			}
			b = append(b, hex[c>>4], hex[c&15])
		}
		return b
	case a.IsValid():
		return a.AppendTo(b)
	}
	return b
}
