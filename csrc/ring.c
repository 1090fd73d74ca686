/*
 * Reads a perf ring in plain memory: perf_event_open(2), "MMAP layout". Records are 8-byte aligned and sizes are
 * multiples of 8 in a sound ring; a ring that isn't sound is never read outside of its memory.
 */
#include "core.h"

#include <linux/perf_event.h>

struct ring {
	const uint8_t *data;
	uint64_t size;
};

struct sink {
	uint8_t *out;
	uint64_t used, cap;
	uint32_t cpu;
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

enum { RAW_AT = sizeof(struct perf_event_header) + sizeof(uint32_t) };

/* Copies n bytes (at most the ring's size) from ring position at. */
static void ring_copy(const struct ring *r, uint64_t at, void *to, uint64_t n)
{
	uint64_t begin = at & (r->size - 1);
	uint64_t first = n < r->size - begin ? n : r->size - begin;

	memcpy(to, r->data + begin, first);
	if (n > first)
		memcpy((uint8_t *)to + first, r->data, n - first);
}

/* Appends a frame with n raw bytes from ring position at. */
static int put_frame(struct sink *s, const struct ring *r, uint64_t at, uint32_t n)
{
	const struct p2b_frame frame = { .cpu = s->cpu, .size = n };
	uint64_t padded = ((uint64_t)n + 7) & ~7ull;
	uint8_t *to = s->out + s->used;

	if (sizeof(frame) + padded > s->cap - s->used)
		return -ENOSPC;
	memcpy(to, &frame, sizeof(frame));
	to += sizeof(frame);
	ring_copy(r, at, to, n);
	memset(to + n, 0, padded - n);
	s->used += sizeof(frame) + padded;
	return 0;
}

static int take_sample(struct sink *s, const struct ring *r, uint64_t at, uint32_t size, struct p2b_ring_stats *stats)
{
	uint32_t raw;
	int err;

	if (size >= RAW_AT) {
		ring_copy(r, at + sizeof(struct perf_event_header), &raw, sizeof(raw));
		if (raw <= size - RAW_AT) {
			err = put_frame(s, r, at + RAW_AT, raw);
			stats->records += !err;
			return err;
		}
	}
	stats->corrupt++;
	return 0;
}

static void take_lost(const struct ring *r, uint64_t at, uint32_t size, struct p2b_ring_stats *stats)
{
	struct lost_record record;

	if (size < sizeof(record)) {
		stats->corrupt++;
		return;
	}
	ring_copy(r, at, &record, sizeof(record));
	stats->lost += record.lost;
}

int64_t p2b_ring_walk(const void *data, uint64_t size, uint64_t *tail, uint64_t head, uint32_t cpu, void *out,
		      uint64_t cap, uint64_t max_records, struct p2b_ring_stats *stats)
{
	const struct ring r = { data, size };
	struct sink s = { out, 0, cap, cpu };
	uint64_t limit = stats->records + max_records;

	if (limit < max_records)
		limit = UINT64_MAX;
	while (*tail != head && stats->records < limit) {
		uint64_t there = head - *tail;
		struct perf_event_header h = { 0 };

		if (there <= size && there >= sizeof(h))
			ring_copy(&r, *tail, &h, sizeof(h));
		if (h.size < sizeof(h) || h.size > there) {
			/* Where the next record begins can't be known: give up what is there. */
			stats->corrupt++;
			*tail = head;
			break;
		}
		if (h.type == PERF_RECORD_SAMPLE) {
			if (take_sample(&s, &r, *tail, h.size, stats))
				return s.used ? (int64_t)s.used : -ENOSPC;
		} else if (h.type == PERF_RECORD_LOST) {
			take_lost(&r, *tail, h.size, stats);
		}
		*tail += h.size;
	}
	return (int64_t)s.used;
}
