/* The perf ring walker: rings with known contents against a model, and rings full of noise. */
#include "check.h"
#include "expected.h"

enum { SAMPLE = 9, LOST = 2, THROTTLE = 5, HEADER = 8, CPU = 3 };

struct maker {
	uint8_t *ring;
	uint64_t size, head, time;
	int timed;
	struct expected expected;
	uint64_t records, lost;
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

static void make_sample(struct maker *m, uint32_t raw, uint64_t *seed)
{
	uint8_t bytes[256] = { 0 };
	uint32_t front = HEADER + (m->timed ? 8 : 0) + 4;
	uint64_t padding = -(front + raw) & 7;

	for (uint32_t i = 0; i < raw; i++)
		bytes[i] = (uint8_t)random_u64(seed);
	put_header(m, SAMPLE, (uint16_t)(front + raw + padding));
	m->time += random_u64(seed) % 3;
	if (m->timed)
		put(m, &m->time, 8);
	put(m, &raw, 4);
	put(m, bytes, raw + padding);
	expect(&m->expected, bytes, raw);
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

	if (m->head - tail > m->size - 288 || m->expected.n == EXPECTED_MAX)
		return;
	if (what == 0) {
		make_lost(m, random_u64(seed) % 1000);
	} else if (what == 1) {
		put_header(m, THROTTLE, HEADER + 8);
		put(m, &nothing, 8);
	} else {
		make_sample(m, random_u64(seed) % 2 ? 44 : random_u64(seed) % 250, seed);      /* runs of one size, too */
	}
}

/* Walks what was made, in calls of little room, and compares every byte. */
static void walk_all(struct maker *m, struct p2b_perf_ring *ring, uint64_t *seed, struct p2b_ring_stats *stats)
{
	struct taker taker = taker_of(seed);

	ring->head = m->head;
	while (ring->tail != ring->head) {
		struct p2b_batch batch = next_batch(&taker, seed);

		p2b_perf_ring_walk(ring, UINT64_MAX, &batch, stats);
		compare(&taker, &batch, &m->expected, CPU);
	}
	CHECK(taker.at == m->expected.n);
	m->expected.n = 0;
	m->records -= taker.refused;
	stats->corrupt -= taker.refused;
}

static void sound_rings(int timed)
{
	uint64_t seed = 1;

	for (uint64_t size = 1024; size <= 65536; size *= 4) {
		struct maker m = { .ring = malloc(size), .size = size, .timed = timed };
		struct p2b_perf_ring ring = { .data = m.ring, .size = size, .cpu = CPU, .timed = (uint32_t)timed };
		struct p2b_ring_stats stats = { 0 };

		m.head = ring.tail = random_u64(&seed) & ~7ull; /* anywhere, so that everything wraps somewhere */
		for (int round = 0; round < 400; round++) {
			for (uint64_t n = random_u64(&seed) % (size / 64); n; n--)
				make_one(&m, ring.tail, &seed);
			walk_all(&m, &ring, &seed, &stats);
		}
		CHECK(stats.records == m.records && stats.lost == m.lost && !stats.corrupt);
		CHECK(m.records > 1000 && m.lost > 100);
		free(m.ring);
	}
}

/* What a merge needs: the time of the next sample, and a walk that ends at a time. */
static void times(void)
{
	uint64_t seed = 9;
	static uint8_t memory[4096];
	struct maker m = { .ring = memory, .size = sizeof(memory), .timed = 1, .head = 8 };
	struct p2b_perf_ring ring = { .data = memory, .size = sizeof(memory), .tail = 8, .head = 8, .timed = 1 };
	struct p2b_ring_stats stats = { 0 };
	uint8_t out[64];
	struct p2b_batch batch = { .out = out, .cap = 8, .size = 8 };

	CHECK(p2b_perf_ring_time(&ring) == UINT64_MAX);
	make_lost(&m, 5);
	ring.head = m.head;
	CHECK(p2b_perf_ring_time(&ring) == UINT64_MAX);
	for (m.time = 100; m.expected.n < 4; m.time = 100 * (m.expected.n + 1))
		make_sample(&m, 8, &seed);
	ring.head = m.head;
	CHECK(p2b_perf_ring_time(&ring) - 100 < 3);
	p2b_perf_ring_walk(&ring, 99, &batch, &stats);
	CHECK(batch.n == 0 && stats.lost == 5);
	p2b_perf_ring_walk(&ring, 250, &batch, &stats);
	CHECK(batch.n == 2 && p2b_perf_ring_time(&ring) - 300 < 3);
	p2b_perf_ring_walk(&ring, UINT64_MAX, &batch, &stats);
	CHECK(batch.n == 4 && stats.records == 4 && p2b_perf_ring_time(&ring) == UINT64_MAX);
}

/* Positions that perf never makes. */
static void odd_positions(void)
{
	for (uint64_t tail = 0; tail < 16; tail++) {
		uint8_t memory[64] = { 0 }, out[8];
		struct p2b_perf_ring ring = { .data = memory, .size = 64, .tail = tail, .head = 16 };
		struct p2b_batch batch = { .out = out, .cap = 1, .size = 8 };
		struct p2b_ring_stats stats = { 0 };

		memory[0] = memory[8] = SAMPLE;
		memory[6] = memory[14] = 8;
		p2b_perf_ring_walk(&ring, UINT64_MAX, &batch, &stats);
		CHECK(batch.n == 0 && ring.tail == 16 && stats.corrupt == (tail ? 1 : 2));
	}
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
		uint64_t size = 8ull << random_u64(&seed) % 6, tail = random_u64(&seed);
		uint64_t there = random_u64(&seed) % (size + 16) & ~(random_u64(&seed) % 8 ? 7ull : 0);
		struct p2b_perf_ring ring = { .size = size, .timed = random_u64(&seed) % 2 };
		struct taker taker = taker_of(&seed);
		struct p2b_batch batch = next_batch(&taker, &seed);
		uint8_t *memory = malloc(size);
		struct p2b_ring_stats stats = { 0 };

		make_noise(memory, size, &tail, &seed);
		ring.data = memory;
		ring.tail = tail;
		ring.head = tail + there;
		p2b_perf_ring_time(&ring);
		p2b_perf_ring_walk(&ring, random_u64(&seed), &batch, &stats);
		CHECK(batch.n <= batch.cap && ring.tail - tail <= there && stats.records == batch.n);
		corrupt += stats.corrupt;
		records += stats.records;
		free(memory);
		free_batch(&batch);
	}
	CHECK(corrupt > 1000 && records > 100);
}

void check_ring(void)
{
	sound_rings(0);
	sound_rings(1);
	times();
	odd_positions();
	noise();
}
