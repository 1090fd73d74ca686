/*
 * Reads a perf ring in plain memory: perf_event_open(2), "MMAP layout". Records are 8-byte aligned and their sizes are
 * multiples of 8; a ring that violates this is still never read outside of its memory.
 */
#include "common/batch.h"

#include <linux/perf_event.h>

/* How many bytes are read before programs get the room back: enough to be cheap, few enough to be soon. */
enum { STEP = 1 << 16 };

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

/* Where a sample's data begins: behind the header, the time if there is one, and the data's size. */
P2B_INLINE uint32_t raw_at(const struct p2b_perf_ring *r)
{
	return sizeof(struct perf_event_header) + (r->timed ? sizeof(uint64_t) : 0) + sizeof(uint32_t);
}

/* Copies n bytes (at most the ring's size) from ring position at. */
P2B_INLINE void copy_out(const struct p2b_perf_ring *r, uint64_t at, void *to, uint64_t n)
{
	uint64_t begin = at & (r->size - 1);
	uint64_t first = n < r->size - begin ? n : r->size - begin;

	memcpy(to, (const uint8_t *)r->data + begin, first);
	if (n > first)
		memcpy((uint8_t *)to + first, r->data, n - first);
}

/* The ring's end never splits a header, since positions are multiples of 8. */
P2B_INLINE struct perf_event_header header_at(const struct p2b_perf_ring *r, uint64_t at)
{
	struct perf_event_header h;

	memcpy(&h, (const uint8_t *)r->data + (at & (r->size - 1)), sizeof(h));
	return h;
}

P2B_INLINE uint64_t time_at(const struct p2b_perf_ring *r, uint64_t at)
{
	uint64_t time;

	copy_out(r, at + sizeof(struct perf_event_header), &time, sizeof(time));
	return time;
}

/* Whether the record at the tail may be looked at. */
P2B_INLINE int is_sound(const struct p2b_perf_ring *r, struct perf_event_header h)
{
	return h.size >= sizeof(h) && h.size <= r->head - r->tail && !(h.size & 7);
}

static int begins_soundly(const struct p2b_perf_ring *r)
{
	return r->head - r->tail <= r->size && !((r->head | r->tail) & 7);
}

P2B_INLINE void take_sample(const struct p2b_perf_ring *r, struct perf_event_header h, struct p2b_batch *b,
			    struct p2b_ring_stats *stats, uint32_t data_at, uint32_t size)
{
	uint64_t at = r->tail & (r->size - 1);
	uint32_t raw = UINT32_MAX;

	if (__builtin_expect(at + h.size <= r->size && h.size >= data_at, 1)) {
		const uint8_t *record = (const uint8_t *)r->data + at;

		memcpy(&raw, record + data_at - sizeof(raw), sizeof(raw));
		if (__builtin_expect(raw <= h.size - data_at, 1)) {
			p2b_batch_put(b, r->cpu, record + data_at, raw, size);
			return;
		}
	} else if (h.size >= data_at) {
		copy_out(r, r->tail + data_at - sizeof(raw), &raw, sizeof(raw));
		if (raw <= h.size - data_at) {
			uint8_t *to = p2b_batch_next(b, r->cpu, raw, size);

			if (to)
				copy_out(r, r->tail + data_at, to, raw < size ? raw : size);
			return;
		}
	}
	stats->corrupt++;
}

P2B_INLINE void take_lost(const struct p2b_perf_ring *r, uint32_t size, struct p2b_ring_stats *stats)
{
	struct lost_record record;

	if (size < sizeof(record)) {
		stats->corrupt++;
		return;
	}
	copy_out(r, r->tail, &record, sizeof(record));
	stats->lost += record.lost;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Takes samples that are as long as the next one, up to the ring's end: the usual content of a ring. */
P2B_INLINE void take_run(struct p2b_perf_ring *r, struct p2b_batch *b, uint32_t data_at, uint32_t size)
{
	const uint64_t at = r->tail & (r->size - 1);
	const uint8_t *record = (const uint8_t *)r->data + at;
	const struct perf_event_header first = header_at(r, r->tail);
	uint8_t *to = (uint8_t *)b->out + b->n * size;
	uint64_t most, n;

	if (first.type != PERF_RECORD_SAMPLE || !is_sound(r, first) || first.size < data_at + size)
		return;
	most = least_of(r->head - r->tail, least_of(r->size - at, STEP)) / first.size;
	most = least_of(most, b->cap - b->n);
	for (n = 0; n < most; n++, record += first.size, to += size) {
		struct perf_event_header h;
		uint32_t raw;

		p2b_fetch_ahead(record, size);
		memcpy(&h, record, sizeof(h));
		memcpy(&raw, record + data_at - sizeof(raw), sizeof(raw));
		if (h.type != first.type || h.size != first.size || raw < size || raw > h.size - data_at)
			break;
		memcpy(to, record + data_at, size);
	}
	b->n += n;
	r->tail += n * first.size;
}

P2B_INLINE void walk(struct p2b_perf_ring *ring, uint64_t until, struct p2b_batch *batch, struct p2b_ring_stats *stats,
		     uint32_t size)
{
	struct p2b_perf_ring r = *ring;
	struct p2b_batch b = *batch;
	const uint32_t data_at = raw_at(&r);
	const int plain = !r.timed && !b.cpus && !b.sizes;

	while (r.tail != r.head && !p2b_batch_full(&b) && r.tail - ring->tail < STEP) {
		const struct perf_event_header h = header_at(&r, r.tail);

		if (__builtin_expect(!is_sound(&r, h), 0)) {
			/* Nobody knows where the next record begins: drop the rest. */
			stats->corrupt++;
			r.tail = r.head;
			break;
		}
		if (plain && h.type == PERF_RECORD_SAMPLE && h.size >= data_at + size) {
			const uint64_t before = r.tail;

			take_run(&r, &b, data_at, size);
			if (r.tail != before)
				continue;
		}
		if (h.type == PERF_RECORD_SAMPLE) {
			if (r.timed && h.size >= data_at && time_at(&r, r.tail) > until)
				break;
			take_sample(&r, h, &b, stats, data_at, size);
		} else if (h.type == PERF_RECORD_LOST) {
			take_lost(&r, h.size, stats);
		}
		r.tail += h.size;
	}
	*ring = r;
	*batch = b;
}

void p2b_perf_ring_walk(struct p2b_perf_ring *r, uint64_t until, struct p2b_batch *b, struct p2b_ring_stats *stats)
{
	uint64_t before = b->n, refused = b->refused;

	if (!begins_soundly(r)) {
		stats->corrupt++;
		r->tail = r->head;
		return;
	}
	P2B_FOR_SIZE(b->size, walk, r, until, b, stats);
	stats->records += b->n - before;
	stats->corrupt += b->refused - refused;
}

uint64_t p2b_perf_ring_time(const struct p2b_perf_ring *r)
{
	struct p2b_perf_ring rest = *r;

	if (!begins_soundly(r))
		return 0;
	while (rest.tail != rest.head) {
		struct perf_event_header h = header_at(&rest, rest.tail);

		if (!is_sound(&rest, h) || (h.type == PERF_RECORD_SAMPLE && h.size < raw_at(r)))
			return 0;
		if (h.type == PERF_RECORD_SAMPLE)
			return time_at(&rest, rest.tail);
		rest.tail += h.size;
	}
	return UINT64_MAX;
}
