/* Captured packets in memory. */

enum { P2B_PCAP_MAX = 1 << 24 };        /* bytes of the largest packet; a record with a larger size is invalid */

enum p2b_pcap_flags {
	P2B_PCAP_SWAPPED = 1,           /* numbers have the other byte order */
	P2B_PCAP_NG = 2,                /* pcapng blocks instead of pcap records */
};

/* Where packets lie. The arrays belong to the caller and have cap entries. */
struct p2b_pcap {
	uint64_t *offsets;              /* from the beginning of data */
	uint32_t *sizes;                /* bytes that were captured */
	uint64_t *times;                /* nanoseconds since 1970 */
	uint32_t cap;
	uint32_t n;                     /* out */
	uint32_t cut;                   /* out: how many of the n packets were captured in part only */
	uint64_t used;                  /* in: where to begin; out: where the record after these n packets begins */
	const uint64_t *units;          /* pcap: one number, nanoseconds a unit; pcapng: ticks a second, by interface */
	uint32_t n_units;
};

/*
 * Finds packets in size bytes of a capture, after its file header. Stops after cap packets, at an incomplete record, or
 * (pcapng) at a block that is no Enhanced Packet Block. Returns 0, or -EINVAL at an invalid record: used is then its
 * offset, and the n packets before it are good.
 */
int p2b_pcap_index(const void *data, uint64_t size, uint32_t flags, struct p2b_pcap *pcap);
