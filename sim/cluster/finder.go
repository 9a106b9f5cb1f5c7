package cluster

import (
	"math/bits"
	"sort"
	"strings"
)

// bitset is some devices of a block.
type bitset [blockSize / 64]uint64

func (s *bitset) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *bitset) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s *bitset) remove(i int) { s[i/64] &^= 1 << (i % 64) }

// addRange adds the devices from one up to another, which is not added.
func (s *bitset) addRange(from, to int) {
	for w := range s {
		lo, hi := max(from-64*w, 0), min(to-64*w, 64)
		if lo < hi {
			s[w] |= ^uint64(0) >> (64 - (hi - lo)) << lo
		}
	}
}

// keep removes those that are not in another set.
func (s *bitset) keep(o bitset) {
	for w := range s {
		s[w] &= o[w]
	}
}

func (s *bitset) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// next gives the first device from i on, blockSize when there is none.
func (s *bitset) next(i int) int {
	for w := i / 64; w < len(s); w++ {
		rest := s[w]
		if w == i/64 {
			rest &= ^uint64(0) << (i % 64)
		}
		if rest != 0 {
			return 64*w + bits.TrailingZeros64(rest)
		}
	}
	return blockSize
}

// finder looks for texts that match any of some globs in many texts at once, which lie one after the other in a long
// string. It looks for the longest fixed part of each glob, its needle; where that stands, the glob is compared. glob.match
// of each text alone is the plain way to the same.
type finder struct {
	globs   []glob
	needles []string

	// With many needles, each place in the string is looked up by its first few bytes: whether any needle begins with them
	// at all, and then which ones do.
	gram  int
	maybe []uint64
	begin map[uint32][]int32
}

const (
	fewNeedles = 4
	gramBits   = 16
)

func newFinder(globs []glob) *finder {
	f := &finder{globs: globs, needles: make([]string, len(globs)), gram: 4}
	for i, g := range globs {
		for _, part := range g {
			if len(part) > len(f.needles[i]) {
				f.needles[i] = part
			}
		}
		f.gram = min(f.gram, len(f.needles[i]))
	}
	if len(globs) <= fewNeedles {
		return f
	}
	f.maybe = make([]uint64, 1<<gramBits/64)
	f.begin = map[uint32][]int32{}
	for i, n := range f.needles {
		var code uint32
		for k := range f.gram {
			code = code<<8 | uint32(n[k])
		}
		h := gramHash(code)
		f.maybe[h/64] |= 1 << (h % 64)
		f.begin[code] = append(f.begin[code], int32(i))
	}
	return f
}

func gramHash(code uint32) uint32 { return code * 0x9e3779b1 >> (32 - gramBits) }

// find adds those of n texts to found that match; end says where the i-th one ends in text.
func (f *finder) find(text string, n int, end func(i int) int, found *bitset) {
	piece := func(i int) string {
		from := 0
		if i > 0 {
			from = end(i - 1)
		}
		return text[from:end(i)]
	}
	if f.maybe == nil {
		for k, needle := range f.needles {
			for from := 0; ; {
				at := strings.Index(text[from:], needle)
				if at < 0 {
					break
				}
				i := sort.Search(n, func(i int) bool { return end(i) > from+at })
				if !found.has(i) && f.globs[k].match(piece(i)) {
					found.add(i)
				}
				from = end(i) // a needle that stands across two texts is found in neither
			}
		}
		return
	}
	var code uint32
	mask := uint32(1)<<(8*f.gram) - 1 // all bits for four bytes: the shift leaves nothing of the 1
	i := 0
	for k := range len(text) {
		code = (code<<8 | uint32(text[k])) & mask
		h := gramHash(code)
		if f.maybe[h/64]&(1<<(h%64)) == 0 || k+1 < f.gram {
			continue
		}
		from := k + 1 - f.gram
		for end(i) <= from {
			i++
		}
		if found.has(i) {
			continue
		}
		for _, g := range f.begin[code] {
			if strings.HasPrefix(text[from:], f.needles[g]) && f.globs[g].match(piece(i)) {
				found.add(i)
				break
			}
		}
	}
}

// findFolded is find for the descriptions of a sheet, ignoring case.
func (f *finder) findFolded(sh *sheet, found *bitset) {
	if sh.ascii {
		f.find(strings.ToUpper(sh.descriptions), len(sh.items), func(i int) int { return int(sh.items[i].description) }, found)
		return
	}
	for i := range sh.items {
		text := fold(sh.description(i))
		for _, g := range f.globs {
			if g.match(text) {
				found.add(i)
				break
			}
		}
	}
}
