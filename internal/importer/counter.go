package importer

import "hash/maphash"

// counter finds texts that occur more than once. It keeps a hash of each: a table has 10⁶ addresses. Two texts have one hash
// with a chance of one in 2⁶⁴.
type counter struct {
	seed maphash.Seed
	// seen has an entry for each text that was added, true for one that was added again.
	seen map[uint64]bool
}

func newCounter() *counter { return &counter{seed: maphash.MakeSeed(), seen: map[uint64]bool{}} }

func (c *counter) add(text string) {
	if text == "" {
		return
	}
	hash := maphash.String(c.seed, text)
	_, again := c.seen[hash]
	c.seen[hash] = again
}

func (c *counter) isShared(text string) bool { return c.seen[maphash.String(c.seed, text)] }
