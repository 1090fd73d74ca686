/* The perf ring walker: rings with known contents against a model, and rings full of noise. */
#include "check.h"

enum { SAMPLE = 9, LOST = 2, THROTTLE = 5, HEADER = 8 };

struct maker {
	uint8_t *ring;
	uint64_t size, head;
	uint8_t *expected;      /* the frames that walking gives */
	uint64_t n_expected, records, lost;
};

static void put(struct maker *m, const void *bytes, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		m->ring[(m->head + i) & (m->size - 1)] = ((const uint8_t *)bytes)[i];
	m->head += n;
}

static void put_header(struct maker *m, uint32_t type, uint16_t size)
{
	struct { uint32_t type; uint16_t misc, size; } header = { type, 0, size };

	put(m, &header, sizeof(header));
}

static void expect(struct maker *m, const void *bytes, uint64_t n)
{
	memcpy(m->expected + m->n_expected, bytes, n);
	m->n_expected += n;
}

static void make_sample(struct maker *m, uint32_t cpu, uint32_t raw, uint64_t *seed)
{
	uint8_t bytes[256] = { 0 };
	uint32_t frame[2] = { cpu, raw };
	uint64_t padding = -(HEADER + 4 + raw) & 7;

	for (uint32_t i = 0; i < raw; i++)
		bytes[i] = (uint8_t)random_u64(seed);
	put_header(m, SAMPLE, (uint16_t)(HEADER + 4 + raw + padding));
	put(m, &raw, 4);
	put(m, bytes, raw + padding);
	expect(m, frame, sizeof(frame));
	expect(m, bytes, (raw + 7) & ~7u);
	m->records++;
}

static void make_lost(struct maker *m, uint64_t lost)
{
	uint64_t body[2] = { 99, lost };

	put_header(m, LOST, HEADER + sizeof(body));
	put(m, body, sizeof(body));
	m->lost += lost;
}

/* One record, unless the ring might not have room for it. */
static void make_one(struct maker *m, uint64_t tail, uint64_t *seed)
{
	uint64_t what = random_u64(seed) % 16, nothing = 0;

	if (m->head - tail > m->size - 280)
		return;
	if (what == 0) {
		make_lost(m, random_u64(seed) % 1000);
	} else if (what == 1) {
		put_header(m, THROTTLE, HEADER + 8);
		put(m, &nothing, 8);
	} else {
		make_sample(m, 3, random_u64(seed) % 250, seed);
	}
}

/* Walks what was made, in calls of little room, and compares every byte. */
static void walk_all(struct maker *m, uint64_t *tail, uint64_t *seed, struct p2b_ring_stats *stats)
{
	uint64_t got = 0;

	while (*tail != m->head) {
		uint64_t cap = 264 + random_u64(seed) % 600, before = stats->records;
		uint64_t max = random_u64(seed) % 4 ? UINT64_MAX : 1 + random_u64(seed) % 3;
		uint8_t *out = malloc(cap);
		int64_t n = p2b_ring_walk(m->ring, m->size, tail, m->head, 3, out, cap, max, stats);

		CHECK(n >= 0 && (uint64_t)n <= cap && n % 8 == 0);
		CHECK(stats->records - before <= max);
		CHECK(got + (uint64_t)n <= m->n_expected);
		CHECK(!memcmp(out, m->expected + got, (size_t)n));
		got += (uint64_t)n;
		free(out);
	}
	CHECK(got == m->n_expected);
	m->n_expected = 0;
}

static void sound_rings(void)
{
	uint64_t seed = 1;

	for (uint64_t size = 1024; size <= 65536; size *= 4) {
		struct maker m = { .ring = malloc(size), .size = size, .expected = malloc(2 * size) };
		struct p2b_ring_stats stats = { 0 };
		uint64_t tail;

		m.head = tail = random_u64(&seed) & ~7ull;      /* anywhere, so that everything wraps somewhere */
		for (int round = 0; round < 400; round++) {
			for (uint64_t n = random_u64(&seed) % (size / 64); n; n--)
				make_one(&m, tail, &seed);
			walk_all(&m, &tail, &seed, &stats);
		}
		CHECK(stats.records == m.records && stats.lost == m.lost && !stats.corrupt);
		CHECK(m.records > 1000 && m.lost > 100);
		free(m.ring);
		free(m.expected);
	}
}

/* Positions that perf never makes: a header and a size that wrap in their middle. */
static void every_position(void)
{
	uint64_t seed = 3;

	for (uint64_t begin = 0; begin < 64; begin++) {
		uint8_t expected[64], out[64];
		struct maker m = { .ring = malloc(64), .size = 64, .head = begin, .expected = expected };
		struct p2b_ring_stats stats = { 0 };
		uint64_t tail = begin;
		int64_t n;

		make_sample(&m, 5, 20, &seed);
		n = p2b_ring_walk(m.ring, 64, &tail, m.head, 5, out, sizeof(out), 9, &stats);
		CHECK(n == 32 && tail == m.head && stats.records == 1);
		CHECK(!memcmp(out, expected, 32));
		free(m.ring);
	}
}

static void no_room(void)
{
	uint64_t seed = 4, tail = 0;
	uint8_t ring[64], expected[64], out[40];
	struct maker m = { .ring = ring, .size = 64, .expected = expected };
	struct p2b_ring_stats stats = { 0 };

	make_sample(&m, 0, 20, &seed);
	for (uint64_t cap = 0; cap < 32; cap++) {
		CHECK(p2b_ring_walk(ring, 64, &tail, m.head, 0, out, cap, 9, &stats) == -ENOSPC);
		CHECK(tail == 0 && stats.records == 0);
	}
	CHECK(p2b_ring_walk(ring, 64, &tail, m.head, 0, out, 32, 0, &stats) == 0 && tail == 0);
	CHECK(p2b_ring_walk(ring, 64, &tail, m.head, 0, out, 32, 9, &stats) == 32 && tail == m.head);
}

/* Headers that are nearly right, at places where the walker may look, among small numbers and zeros. */
static void make_noise(uint8_t *ring, uint64_t size, uint64_t *tail, uint64_t *seed)
{
	static const uint32_t types[] = { SAMPLE, SAMPLE, LOST, THROTTLE };

	for (uint64_t i = 0; i < size; i++)
		ring[i] = random_u64(seed) % 3 ? 0 : (uint8_t)(random_u64(seed) % 40);
	if (random_u64(seed) % 4)
		*tail &= ~7ull;
	for (uint64_t at = 0; at + 8 <= size; at += 8) {
		uint32_t head[2] = { types[random_u64(seed) % 4], (uint32_t)(random_u64(seed) % 60 * 2) << 16 };

		if (random_u64(seed) % 2)
			memcpy(ring + at, head, sizeof(head));
	}
}

static void noise(void)
{
	uint64_t seed = 5, corrupt = 0, records = 0;

	for (int round = 0; round < 300000; round++) {
		uint64_t size = 8ull << random_u64(&seed) % 6, cap = random_u64(&seed) % 300;
		uint64_t tail = random_u64(&seed), head = tail + random_u64(&seed) % (size + 16), begin = tail;
		uint8_t *ring = malloc(size), *out = malloc(cap + 1);
		struct p2b_ring_stats stats = { 0 };
		int64_t n;

		make_noise(ring, size, &tail, &seed);
		head += tail - begin;
		begin = tail;
		n = p2b_ring_walk(ring, size, &tail, head, 1, out, cap, UINT64_MAX, &stats);
		CHECK(n == -ENOSPC || (n >= 0 && (uint64_t)n <= cap));
		CHECK(tail - begin <= head - begin);
		corrupt += stats.corrupt;
		records += stats.records;
		free(ring);
		free(out);
	}
	CHECK(corrupt > 1000 && records > 100);
}

void check_ring(void)
{
	sound_rings();
	every_position();
	no_room();
	noise();
}
