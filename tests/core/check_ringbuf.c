/* The ring buffer walker: rings with known contents against a model, and rings full of noise. */
#include "check.h"
#include "sys/ringbuf.h"
#include "expected.h"

enum { HEADER = 8, LONGEST = 200 };
static const uint32_t BUSY = 1u << 31, DISCARD = 1u << 30;

struct maker {
	uint8_t *ring;          /* twice the ring */
	uint64_t size, end, records;
	struct expected expected;
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
	uint64_t padded = (n + 7ull) & ~7ull;

	put_word(m, m->end, n | flags);
	put_word(m, m->end + 4, 3);
	for (uint64_t i = 0; i < padded; i++)   /* padding isn't zero in a ring that was used before */
		put_byte(m, m->end + HEADER + i, (uint8_t)random_u64(seed));
	if (!flags) {
		expect(&m->expected, m->ring + ((m->end + HEADER) & (m->size - 1)), n);
		m->records++;
	}
	m->end += HEADER + padded;
}

/* Records of all sizes, round the ring many times, taken in pieces of every kind. */
static void sound(uint64_t size, uint64_t seed)
{
	static uint8_t ring[2 * 4096] __attribute__((aligned(8)));
	static struct maker m;
	struct p2b_ring_stats stats = { 0 };
	uint64_t position, refused = 0;

	m = (struct maker){ .ring = ring, .size = size };
	m.end = position = (UINT64_MAX - 4 * size) & ~7ull;     /* positions wrap, too */
	for (int round = 0; round < 2000; round++) {
		struct taker taker = taker_of(&seed);

		m.expected.n = 0;
		while (m.end - position + HEADER + LONGEST + 8 < size && random_u64(&seed) % 8)
			make(&m, random_u64(&seed) % 2 ? taker.size % LONGEST : (uint32_t)(random_u64(&seed) % LONGEST),
			     random_u64(&seed) % 4 ? 0 : DISCARD, &seed);       /* runs of the taker's size, too */
		while (position != m.end) {
			struct p2b_batch batch = next_batch(&taker, &seed);

			p2b_ringbuf_walk(ring, size, &position, m.end, &batch, &stats);
			compare(&taker, &batch, &m.expected, 0);
		}
		CHECK(taker.at == m.expected.n);
		refused += taker.refused;
	}
	CHECK(stats.records + refused == m.records && m.records > 1000 && stats.corrupt == refused && refused > 100);
}

/* A record that isn't submitted yet holds up those behind it. */
static void busy(void)
{
	static uint8_t ring[2 * 4096] __attribute__((aligned(8)));
	static struct maker m = { .ring = ring, .size = 4096 };
	struct p2b_ring_stats stats = { 0 };
	uint64_t seed = 3, position = 0, at;
	uint8_t out[80];
	struct p2b_batch batch = { .out = out, .cap = 10, .size = 8 };

	make(&m, 8, 0, &seed);
	at = m.end;
	make(&m, 5, BUSY, &seed);
	make(&m, 8, 0, &seed);
	for (int i = 0; i < 2; i++) {
		p2b_ringbuf_walk(ring, 4096, &position, m.end, &batch, &stats);
		CHECK(batch.n == 1 && position == at);
	}
	put_word(&m, at, 5);
	p2b_ringbuf_walk(ring, 4096, &position, m.end, &batch, &stats);
	CHECK(batch.n == 3 && position == m.end && stats.records == 3);
	CHECK(!memcmp(out + 8, ring + at + HEADER, 5) && !out[13] && !out[14] && !out[15]);
}

static void noise(void)
{
	uint64_t seed = 11, corrupt = 0, records = 0;

	for (int round = 0; round < 200000; round++) {
		uint64_t size = 8ull << random_u64(&seed) % 6;
		uint64_t position = random_u64(&seed) & ~(random_u64(&seed) % 16 ? 7ull : 0);
		uint64_t there = random_u64(&seed) % (size + 16) & ~(random_u64(&seed) % 16 ? 7ull : 0), begin = position;
		struct taker taker = taker_of(&seed);
		struct p2b_batch batch = next_batch(&taker, &seed);
		uint8_t *ring = malloc(2 * size);
		struct p2b_ring_stats stats = { 0 };

		CHECK(ring);
		for (uint64_t at = 0; at < 2 * size; at += 4) {
			uint32_t word = (uint32_t)(random_u64(&seed) % 64) | (random_u64(&seed) % 8 ? 0 : DISCARD);

			if (random_u64(&seed) % 16 == 0)
				word = (uint32_t)random_u64(&seed);
			memcpy(ring + at, &word, sizeof(word));
		}
		p2b_ringbuf_walk(ring, size, &position, begin + there, &batch, &stats);
		CHECK(batch.n <= batch.cap && position - begin <= there && stats.records == batch.n);
		corrupt += stats.corrupt;
		records += stats.records;
		free(ring);
		free_batch(&batch);
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
