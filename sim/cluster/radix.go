package cluster

// sortByKey sorts by a number, and leaves what has equal ones in its order: a radix sort, byte by byte from the lowest, of
// which bytes that are the same everywhere are left out. A million take a tenth of the time of a sort by comparing.
func sortByKey[T any](list []T, key func(*T) uint64) {
	var counts [8][256]int
	for i := range list {
		k := key(&list[i])
		for b := range counts {
			counts[b][byte(k>>(8*b))]++
		}
	}
	from, to := list, make([]T, len(list))
	for b := range counts {
		count := &counts[b]
		if len(list) == 0 || count[byte(key(&list[0])>>(8*b))] == len(list) {
			continue
		}
		sum := 0
		for c, n := range count {
			count[c] = sum
			sum += n
		}
		for i := range from {
			c := byte(key(&from[i]) >> (8 * b))
			to[count[c]] = from[i]
			count[c]++
		}
		from, to = to, from
	}
	if len(list) > 0 && &from[0] != &list[0] {
		copy(list, from)
	}
}
