/* Captures: records of both byte orders, damaged ones, and arbitrary bytes, which must only not be read behind. */
#include "check.h"

enum { CAP = 64 };

static uint64_t offsets[CAP], times[CAP];
static uint32_t sizes[CAP];

static struct p2b_pcap arrays(const uint64_t *units, uint32_t n_units)
{
	struct p2b_pcap pcap = { offsets, sizes, times, CAP, 0, 0, 0, units, n_units };

	return pcap;
}

/* A copy of exactly size bytes, so that the sanitizer sees any read behind them. */
static int indexed(const void *data, uint64_t size, uint32_t flags, struct p2b_pcap *pcap)
{
	void *copy = malloc(size ? size : 1);
	int result;

	CHECK(copy);
	memcpy(copy, data, size);
	result = p2b_pcap_index(copy, size, flags, pcap);
	free(copy);
	return result;
}

static void check_records(void)
{
	uint32_t file[] = { 7, 5, 4, 60, 0xaaaaaaaa, 8, 6, 0, 0 };
	uint64_t micro = 1000;
	struct p2b_pcap pcap = arrays(&micro, 1);
	uint32_t i;

	CHECK(indexed(file, sizeof(file), 0, &pcap) == 0);
	CHECK(pcap.n == 2 && pcap.cut == 1 && pcap.used == sizeof(file));
	CHECK(offsets[0] == 16 && sizes[0] == 4 && times[0] == 7000005000ull);
	CHECK(offsets[1] == 36 && sizes[1] == 0 && times[1] == 8000006000ull);
	for (i = 0; i < sizeof(file); i++) {
		pcap = arrays(&micro, 1);
		CHECK(indexed(file, i, 0, &pcap) == 0);
		CHECK(pcap.n == (i >= 20) && pcap.used == (i >= 20 ? 20 : 0));
	}
	for (i = 0; i < 9; i++)
		file[i] = __builtin_bswap32(file[i]);
	pcap = arrays(&micro, 1);
	CHECK(indexed(file, sizeof(file), P2B_PCAP_SWAPPED, &pcap) == 0 && pcap.n == 2);
	pcap = arrays(&micro, 1);
	CHECK(indexed(file, sizeof(file), 0, &pcap) == -EINVAL && pcap.n == 0 && pcap.used == 0);
	pcap = arrays(&micro, 1);
	pcap.cap = 1;
	CHECK(indexed(file, sizeof(file), P2B_PCAP_SWAPPED, &pcap) == 0 && pcap.n == 1 && pcap.used == 20);
}

static void check_blocks(void)
{
	uint32_t file[] = { 6, 36, 1, 0, 500, 3, 3, 0xaaaaaaaa, 36, 5, 12, 12 };
	uint64_t units[2] = { 1, 1000 };
	struct p2b_pcap pcap = arrays(units, 2);

	CHECK(indexed(file, sizeof(file), P2B_PCAP_NG, &pcap) == 0);
	CHECK(pcap.n == 1 && !pcap.cut && pcap.used == 36 && offsets[0] == 28 && sizes[0] == 3 && times[0] == 500000000);
	pcap = arrays(units, 2);
	CHECK(indexed(file, 35, P2B_PCAP_NG, &pcap) == 0 && pcap.n == 0);
	pcap = arrays(units, 1);
	CHECK(indexed(file, sizeof(file), P2B_PCAP_NG, &pcap) == -EINVAL);
	file[8] = 40;
	pcap = arrays(units, 2);
	CHECK(indexed(file, sizeof(file), P2B_PCAP_NG, &pcap) == -EINVAL);
	file[8] = 36, file[5] = 5;
	pcap = arrays(units, 2);
	CHECK(indexed(file, sizeof(file), P2B_PCAP_NG, &pcap) == -EINVAL);
	units[1] = 0;
	CHECK(indexed(file, sizeof(file), P2B_PCAP_NG, &pcap) == -EINVAL);
}

static void check_noise(void)
{
	uint64_t state = 77, noise[40], units[3] = { 1, 1000000, 3 };
	int i, j;

	for (i = 0; i < 20000; i++) {
		struct p2b_pcap pcap = arrays(units, 3);
		uint64_t size = random_u64(&state) % sizeof(noise);
		uint32_t word;

		for (j = 0; j < 40; j++)
			noise[j] = random_u64(&state) & random_u64(&state) & 0x3f0000003full;
		word = 6;
		memcpy(noise, &word, sizeof(word));
		pcap.used = i % 50 ? 0 : random_u64(&state) % 400;
		indexed(noise, size, i % 4, &pcap);
		CHECK(pcap.n <= CAP);
		for (j = 0; j < (int)pcap.n; j++)
			CHECK(offsets[j] + sizes[j] <= size);
	}
}

void check_pcap(void)
{
	check_records();
	check_blocks();
	check_noise();
}
