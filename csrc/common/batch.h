/* Putting records into a struct p2b_batch. */
#ifndef P2B_BATCH_H
#define P2B_BATCH_H

#include "common/core.h"

/*
 * Walks copy the structures that they are given, with everything inlined. Otherwise the compiler would have to load and
 * store every member again and again, since for all it knows a record's bytes might lie in the structure itself.
 */
#define P2B_INLINE static inline __attribute__((always_inline))

/*
 * Calls walk(..., size) with a constant if records often have this size, so that copying a record takes a few moves.
 * Drains of a hundred million records a second depend on this.
 */
#define P2B_FOR_SIZE(size, walk, ...) \
	do { \
		switch (size) { \
		case 8: walk(__VA_ARGS__, 8); break; \
		case 16: walk(__VA_ARGS__, 16); break; \
		case 24: walk(__VA_ARGS__, 24); break; \
		case 32: walk(__VA_ARGS__, 32); break; \
		case 48: walk(__VA_ARGS__, 48); break; \
		case 64: walk(__VA_ARGS__, 64); break; \
		default: walk(__VA_ARGS__, size); break; \
		} \
	} while (0)

/* How far ahead of a walk memory is prefetched; by themselves, processors don't prefetch beyond the end of a page. */
enum { P2B_AHEAD = 1 << 14, P2B_LINE = 64 };

/* Prefetches as much as a record of size bytes takes. Has no effect on unmapped addresses. */
P2B_INLINE void p2b_fetch_ahead(const void *record, uint32_t size)
{
	for (uint32_t at = 0; at < size; at += P2B_LINE)
		__builtin_prefetch((const void *)((uintptr_t)record + P2B_AHEAD + at));
}

P2B_INLINE int p2b_batch_full(const struct p2b_batch *b)
{
	return b->n >= b->cap;
}

/* Like p2b_batch_next for a record that is shorter than the batch's size: pads it with zeros or refuses it. */
P2B_INLINE uint8_t *p2b_batch_short(struct p2b_batch *b, uint32_t cpu, uint32_t n)
{
	uint8_t *to = (uint8_t *)b->out + b->n * b->size;

	if (n >= b->least) {
		memset(to + n, 0, b->size - n);
		return to;
	}
	if (!b->refused++) {
		b->refused_cpu = cpu;
		b->refused_size = n;
	}
	return NULL;
}

/*
 * Returns where the caller copies the next record of n bytes, of which size bytes at most; NULL if the record was
 * refused. size equals b->size, but may be a constant thanks to P2B_FOR_SIZE. The batch must have room.
 */
P2B_INLINE uint8_t *p2b_batch_next(struct p2b_batch *b, uint32_t cpu, uint32_t n, uint32_t size)
{
	uint8_t *to = (uint8_t *)b->out + b->n * size;

	if (__builtin_expect(n < size, 0)) {
		to = p2b_batch_short(b, cpu, n);
		if (!to)
			return NULL;
	}
	if (b->cpus)
		b->cpus[b->n] = cpu;
	if (b->sizes)
		b->sizes[b->n] = n;
	b->n++;
	return to;
}

/* Copies a record that lies in one piece. */
P2B_INLINE void p2b_batch_put(struct p2b_batch *b, uint32_t cpu, const void *from, uint32_t n, uint32_t size)
{
	uint8_t *to = p2b_batch_next(b, cpu, n, size);

	if (__builtin_expect(to && n >= size, 1))
		memcpy(to, from, size);
	else if (to)
		memcpy(to, from, n);
}

#endif
