/* Finding types in BTF that is broken in every way. */
#include "check.h"

enum { HEADER = 24, TYPES = 28, STRINGS = 9, SIZE = HEADER + TYPES + STRINGS, FUNC = 12 };

/* An int with its 4 bytes, and a function f of that name behind it. */
static const uint32_t types[TYPES / 4] = { 1, 1u << 24, 4, 32, 5, 12u << 24, 0 };
static const char strings[STRINGS] = "\0int\0f\0g";

static void fill(uint8_t *btf)
{
	const uint32_t words[6] = { 0x1eb9f, HEADER, 0, TYPES, TYPES, STRINGS };

	memcpy(btf, words, HEADER);
	memcpy(btf + HEADER, types, TYPES);
	memcpy(btf + HEADER + TYPES, strings, STRINGS);
}

static void found(void)
{
	uint8_t btf[SIZE];

	fill(btf);
	CHECK(p2b_btf_find(btf, SIZE, FUNC, "f") == 2);
	CHECK(p2b_btf_find(btf, SIZE, 1, "int") == 1);
	CHECK(p2b_btf_find(btf, SIZE, 1, "f") == -ENOENT);
	CHECK(p2b_btf_find(btf, SIZE, FUNC, "nt") == -ENOENT);
	CHECK(p2b_btf_find(btf, SIZE, FUNC, "g") == -ENOENT);
	CHECK(p2b_btf_find(btf, SIZE, FUNC, "") == -ENOENT);
	for (uint32_t size = 0; size < SIZE; size++)
		CHECK(p2b_btf_find(btf, size, FUNC, "f") == -EINVAL);
}

static void indexed(void)
{
	uint8_t btf[SIZE];
	uint32_t offsets[2] = { 0 }, shorter = TYPES - 1;

	fill(btf);
	CHECK(p2b_btf_offsets(btf, SIZE, offsets, 2) == 2);
	CHECK(offsets[0] == HEADER && offsets[1] == HEADER + 16);
	CHECK(p2b_btf_offsets(btf, SIZE, offsets, 1) == -ENOSPC);
	for (uint32_t size = 0; size < SIZE; size++)
		CHECK(p2b_btf_offsets(btf, size, offsets, 2) == -EINVAL);
	memcpy(btf + 12, &shorter, sizeof(shorter));    /* type_len: the last type isn't whole */
	CHECK(p2b_btf_offsets(btf, SIZE, offsets, 2) == -EINVAL);
}

static void broken(void)
{
	uint64_t seed = 11;

	for (int round = 0; round < 200000; round++) {
		uint32_t size = HEADER + random_u64(&seed) % (SIZE - HEADER + 1);
		uint8_t whole[SIZE], *btf = malloc(size);
		uint32_t offsets[2];
		int number;

		fill(whole);
		for (int changes = random_u64(&seed) % 4; changes; changes--)
			whole[random_u64(&seed) % SIZE] ^= (uint8_t)(1u << random_u64(&seed) % 8);
		memcpy(btf, whole, size);
		number = p2b_btf_find(btf, size, FUNC, "f");
		CHECK(number == -ENOENT || number == -EINVAL || (number > 0 && number <= TYPES / 12));
		number = p2b_btf_offsets(btf, size, offsets, 2);
		CHECK(number == -ENOSPC || number == -EINVAL || (number >= 0 && number <= 2));
		free(btf);
	}
}

void check_btf(void)
{
	found();
	indexed();
	broken();
}
