/* A model of what drains give, and batches of every kind to compare it with. */
#ifndef EXPECTED_H
#define EXPECTED_H

#include "check.h"

enum { EXPECTED_MAX = 2048, RECORD_MAX = 256 };

struct expected {
	uint64_t n;
	uint32_t sizes[EXPECTED_MAX];
	uint8_t bytes[EXPECTED_MAX][RECORD_MAX];
};

static inline void expect(struct expected *e, const void *bytes, uint32_t n)
{
	CHECK(e->n < EXPECTED_MAX && n <= RECORD_MAX);
	memset(e->bytes[e->n], 0, RECORD_MAX);
	memcpy(e->bytes[e->n], bytes, n);
	e->sizes[e->n++] = n;
}

/* Somebody who takes records of a size, and how far they got. */
struct taker {
	uint32_t size, least;
	uint64_t at, refused;
};

static inline struct taker taker_of(uint64_t *seed)
{
	static const uint32_t sizes[] = { 1, 4, 8, 13, 16, 24, 32, 40, 48, 64, 100, 250 };
	uint32_t size = sizes[random_u64(seed) % (sizeof(sizes) / sizeof(sizes[0]))];
	const uint32_t least[] = { 0, size / 2, size, size };

	return (struct taker){ .size = size, .least = least[random_u64(seed) % 4] };
}

/* Room of exactly cap records, where sanitizers see a byte too much. */
static inline struct p2b_batch next_batch(const struct taker *t, uint64_t *seed)
{
	uint64_t cap = 1 + random_u64(seed) % 20;
	struct p2b_batch b = { .cap = cap, .size = t->size, .least = t->least };

	b.out = malloc(cap * t->size);
	b.cpus = random_u64(seed) % 2 ? malloc(cap * sizeof(*b.cpus)) : NULL;
	b.sizes = random_u64(seed) % 2 ? malloc(cap * sizeof(*b.sizes)) : NULL;
	CHECK(b.out);
	memset(b.out, 0xcc, cap * t->size);
	return b;
}

static inline void free_batch(struct p2b_batch *b)
{
	free(b->out);
	free(b->cpus);
	free(b->sizes);
}

/* Compares a batch with what is due, and frees it. */
static inline void compare(struct taker *t, struct p2b_batch *b, const struct expected *e, uint32_t cpu)
{
	uint64_t refused = 0;

	CHECK(b->n <= b->cap);
	for (uint64_t i = 0; i < b->n; i++, t->at++) {
		for (; t->at < e->n && e->sizes[t->at] < t->least; t->at++) {
			CHECK(refused || (b->refused_size == e->sizes[t->at] && b->refused_cpu == cpu));
			refused++;
		}
		CHECK(t->at < e->n && !memcmp((uint8_t *)b->out + i * t->size, e->bytes[t->at], t->size));
		CHECK(!b->cpus || b->cpus[i] == cpu);
		CHECK(!b->sizes || b->sizes[i] == e->sizes[t->at]);
	}
	for (; refused < b->refused; refused++, t->at++)
		CHECK(t->at < e->n && e->sizes[t->at] < t->least);
	t->refused += refused;
	free_batch(b);
}

#endif
