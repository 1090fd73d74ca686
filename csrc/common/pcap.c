/*
 * Captured packets in memory: where each lies, how long it is, when it came. py2bpf/pcap.py reads files and their
 * headers; draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng describe the formats.
 */
#include "common/core.h"

enum { RECORD_HEADER = 16, ENHANCED_PACKET = 6, ENHANCED_HEADER = 28, BLOCK_TAIL = 4, NS_PER_S = 1000000000 };

struct scan {
	const uint8_t *data;
	uint64_t size;
	int swapped;
};

static uint32_t u32_at(const struct scan *scan, uint64_t at)
{
	uint32_t value;

	memcpy(&value, scan->data + at, sizeof(value));
	return scan->swapped ? __builtin_bswap32(value) : value;
}

/* Records a packet at data + at, of which size bytes were captured. */
static void add(struct p2b_pcap *pcap, uint64_t at, uint32_t size, uint32_t original, uint64_t time)
{
	pcap->cut += size < original;
	pcap->offsets[pcap->n] = at;
	pcap->sizes[pcap->n] = size;
	pcap->times[pcap->n] = time;
	pcap->n++;
}

/* Reads the record at *at of a classic file. 1: recorded, 0: the record is incomplete, -EINVAL: it is invalid. */
static int classic(const struct scan *scan, uint64_t *at, struct p2b_pcap *pcap)
{
	uint32_t captured;

	if (scan->size - *at < RECORD_HEADER)
		return 0;
	captured = u32_at(scan, *at + 8);
	if (captured > P2B_PCAP_MAX)
		return -EINVAL;
	if (scan->size - *at - RECORD_HEADER < captured)
		return 0;
	add(pcap, *at + RECORD_HEADER, captured, u32_at(scan, *at + 12),
	    (uint64_t)u32_at(scan, *at) * NS_PER_S + (uint64_t)u32_at(scan, *at + 4) * pcap->units[0]);
	*at += RECORD_HEADER + captured;
	return 1;
}

/* Converts a time stamp of den ticks a second to nanoseconds; times that don't fit wrap. */
static uint64_t nanoseconds(uint64_t ticks, uint64_t den)
{
	return (uint64_t)((unsigned __int128)ticks * NS_PER_S / den);
}

/* Reads the block at *at of a pcapng file. 1: recorded a packet, 0: the block is incomplete, or Python reads it. */
static int block(const struct scan *scan, uint64_t *at, struct p2b_pcap *pcap)
{
	uint32_t length, captured, interface;

	if (scan->size - *at < ENHANCED_HEADER || u32_at(scan, *at) != ENHANCED_PACKET)
		return 0;
	length = u32_at(scan, *at + 4);
	interface = u32_at(scan, *at + 8);
	captured = u32_at(scan, *at + 20);
	if (length % 4 || length < ENHANCED_HEADER + BLOCK_TAIL || captured > length - ENHANCED_HEADER - BLOCK_TAIL ||
	    captured > P2B_PCAP_MAX || interface >= pcap->n_units)
		return -EINVAL;
	if (scan->size - *at < length)
		return 0;
	if (u32_at(scan, *at + length - BLOCK_TAIL) != length)
		return -EINVAL;
	add(pcap, *at + ENHANCED_HEADER, captured, u32_at(scan, *at + 24),
	    nanoseconds((uint64_t)u32_at(scan, *at + 12) << 32 | u32_at(scan, *at + 16), pcap->units[interface]));
	*at += length;
	return 1;
}

int p2b_pcap_index(const void *data, uint64_t size, uint32_t flags, struct p2b_pcap *pcap)
{
	struct scan scan = { data, size, !!(flags & P2B_PCAP_SWAPPED) };
	int more = pcap->used <= size && (pcap->n_units || flags & P2B_PCAP_NG) ? 1 : -EINVAL;
	uint32_t i;

	pcap->n = pcap->cut = 0;
	for (i = 0; i < pcap->n_units; i++)
		if (!pcap->units[i])
			return -EINVAL;
	while (more > 0 && pcap->n < pcap->cap)
		more = flags & P2B_PCAP_NG ? block(&scan, &pcap->used, pcap) : classic(&scan, &pcap->used, pcap);
	return more < 0 ? more : 0;
}
