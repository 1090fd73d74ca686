/* The ring buffer walker: rings with known contents against a model, and rings full of noise. */
#include "check.h"

enum { HEADER = 8, RECORD_MAX = 200 };
static const uint32_t BUSY = 1u << 31, DISCARD = 1u << 30;

struct maker {
	uint8_t *ring;          /* twice the ring */
	uint64_t size, end;
	uint8_t *expected;
	uint64_t n_expected, records;
};

static void put_byte(struct maker *m, uint64_t at, uint8_t byte)
{
	m->ring[at & (m->size - 1)] = m->ring[(at & (m->size - 1)) + m->size] = byte;
}

static void put_word(struct maker *m, uint64_t at, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		put_byte(m, at + (uint64_t)i, ((uint8_t *)&word)[i]);
}

static void make(struct maker *m, uint32_t n, uint32_t flags, uint64_t *seed)
{
	uint32_t frame[2] = { 0, n };
	uint64_t padded = (n + 7ull) & ~7ull;
	uint8_t *to = m->expected + m->n_expected;

	put_word(m, m->end, n | flags);
	put_word(m, m->end + 4, 3);
	for (uint64_t i = 0; i < padded; i++)   /* padding isn't zero in a ring that was used before */
		put_byte(m, m->end + HEADER + i, (uint8_t)random_u64(seed));
	if (!flags) {
		memcpy(to, frame, sizeof(frame));
		memset(to + HEADER, 0, padded);
		for (uint32_t i = 0; i < n; i++)
			to[HEADER + i] = m->ring[((m->end + HEADER + i) & (m->size - 1))];
		m->n_expected += HEADER + padded;
		m->records++;
	}
	m->end += HEADER + padded;
}

/* Records of all sizes, round the ring many times, taken in pieces of every kind. */
static void sound(uint64_t size, uint64_t seed)
{
	static uint8_t ring[2 * 4096] __attribute__((aligned(8))), expected[8192];
	struct maker m = { ring, size, 0, expected, 0, 0 };
	struct p2b_ring_stats stats = { 0 };
	uint64_t position = 0, records = 0;

	m.end = position = (UINT64_MAX - 4 * size) & ~7ull;     /* positions wrap, too */
	for (int round = 0; round < 2000; round++) {
		uint8_t *out;
		uint64_t used = 0, cap;

		m.n_expected = 0;
		while (m.end - position + HEADER + RECORD_MAX + 8 < size && random_u64(&seed) % 8)
			make(&m, (uint32_t)(random_u64(&seed) % RECORD_MAX), random_u64(&seed) % 4 ? 0 : DISCARD, &seed);
		cap = m.n_expected + 1;
		out = malloc(cap);
		CHECK(out);
		while (position != m.end) {
			uint64_t some = 1 + random_u64(&seed) % 3;
			int64_t n = p2b_ringbuf_walk(ring, size, &position, m.end, out + used, cap - used, some,
						     &stats);

			CHECK(n >= 0);
			used += (uint64_t)n;
		}
		CHECK(used == m.n_expected && !memcmp(out, expected, used));
		free(out);
		records = m.records;
	}
	CHECK(stats.records == records && records > 1000 && stats.corrupt == 0);
}

/* A record that isn't submitted yet holds up those behind it. */
static void busy(void)
{
	static uint8_t ring[2 * 4096] __attribute__((aligned(8))), expected[4096];
	struct maker m = { ring, 4096, 0, expected, 0, 0 };
	struct p2b_ring_stats stats = { 0 };
	uint64_t seed = 3, position = 0, at;
	uint8_t out[256];

	make(&m, 8, 0, &seed);
	at = m.end;
	make(&m, 5, BUSY, &seed);
	make(&m, 8, 0, &seed);
	CHECK(p2b_ringbuf_walk(ring, 4096, &position, m.end, out, sizeof(out), 9, &stats) == 16 && position == at);
	CHECK(p2b_ringbuf_walk(ring, 4096, &position, m.end, out, sizeof(out), 9, &stats) == 0 && position == at);
	put_word(&m, at, 5);
	CHECK(p2b_ringbuf_walk(ring, 4096, &position, m.end, out, 15, 9, &stats) == -ENOSPC && position == at);
	CHECK(p2b_ringbuf_walk(ring, 4096, &position, m.end, out, sizeof(out), 9, &stats) == 32 && position == m.end);
	CHECK(out[4] == 5 && out[13] == 0 && out[14] == 0 && out[15] == 0 && stats.records == 3);
}

static void noise(void)
{
	uint64_t seed = 11, corrupt = 0, records = 0;

	for (int round = 0; round < 200000; round++) {
		uint64_t size = 8ull << random_u64(&seed) % 6, cap = random_u64(&seed) % 300;
		uint64_t position = random_u64(&seed) & ~(random_u64(&seed) % 16 ? 7ull : 0);
		uint64_t end = position + random_u64(&seed) % (size + 16), begin = position;
		uint8_t *ring = malloc(2 * size), *out = malloc(cap + 1);
		struct p2b_ring_stats stats = { 0 };
		int64_t n;

		CHECK(ring && out);
		for (uint64_t at = 0; at < 2 * size; at += 4) {
			uint32_t word = (uint32_t)(random_u64(&seed) % 64) | (random_u64(&seed) % 8 ? 0 : DISCARD);

			if (random_u64(&seed) % 16 == 0)
				word = (uint32_t)random_u64(&seed);
			memcpy(ring + at, &word, sizeof(word));
		}
		n = p2b_ringbuf_walk(ring, size, &position, end, out, cap, UINT64_MAX, &stats);
		CHECK(n == -ENOSPC || (n >= 0 && (uint64_t)n <= cap));
		CHECK(position - begin <= end - begin);
		corrupt += stats.corrupt;
		records += stats.records;
		free(ring);
		free(out);
	}
	CHECK(corrupt > 1000 && records > 1000);
}

/* What is no ring buffer makes no reader, and leaves nothing open. */
static void refused(void)
{
	struct p2b_reader *reader;

	CHECK(p2b_ringbuf_create(-1, 4096, &reader) == -EBADF && !reader);
	CHECK(p2b_ringbuf_create(0, 100, &reader) == -EINVAL && !reader);
	CHECK(p2b_ringbuf_create(0, 0, &reader) == -EINVAL && !reader);
	p2b_reader_destroy(reader);
}

void check_ringbuf(void)
{
	sound(512, 1);
	sound(4096, 2);
	busy();
	noise();
	refused();
}
