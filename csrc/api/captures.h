/* Captured packets in memory. */

enum { P2B_PCAP_MAX = 1 << 24 };        /* no packet is larger: what says so isn't a record */

enum p2b_pcap_flags {
	P2B_PCAP_SWAPPED = 1,           /* numbers have the other byte order */
	P2B_PCAP_NG = 2,                /* pcapng blocks instead of pcap records */
};

/* Where packets lie. The arrays have cap entries, and are the caller's. */
struct p2b_pcap {
	uint64_t *offsets;              /* from data's begin */
	uint32_t *sizes;                /* bytes that were captured */
	uint64_t *times;                /* nanoseconds since 1970 */
	uint32_t cap;
	uint32_t n;                     /* out */
	uint32_t cut;                   /* out: how many of them were longer, but no more was captured */
	uint64_t used;                  /* in: where to begin; out: the first byte that belongs to none of them */
	const uint64_t *units;          /* pcap: one, the nanoseconds of a fraction. pcapng: ticks a second of each interface */
	uint32_t n_units;
};

/*
 * Finds packets in size bytes of a capture, behind its file header, until cap are found or something else comes: a
 * record that isn't whole, or (pcapng) a block that is no Enhanced Packet Block. Returns 0, or -EINVAL at a record that
 * can't be one: used is its begin, and the n packets before it are good.
 */
int p2b_pcap_index(const void *data, uint64_t size, uint32_t flags, struct p2b_pcap *pcap);
