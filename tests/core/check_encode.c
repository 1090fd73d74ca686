/* Encoding and relocation of programs that no compiler makes. */
#include "check.h"

enum { SLOTS = 64 };

static const struct p2b_sym exit_sym = { .kind = P2B_PLAIN, .code = 0x95 };

static void small_buffers(void)
{
	struct p2b_sym syms[3] = {
		{ .kind = P2B_LD64, .code = 0x18, .dst = 1, .imm = -1 },
		{ .kind = P2B_LABEL, .ref = 7 },
		exit_sym,
	};
	struct p2b_fault fault;

	for (uint32_t cap = 0; cap <= 3; cap++) {
		/* Exactly as large as promised, for the address sanitizer. */
		uint64_t *out = malloc(cap ? cap * 8 : 1);
		uint32_t *slot_of = malloc(sizeof(*slot_of) * 3);
		int n = p2b_encode(syms, 3, out, cap, slot_of, &fault);

		CHECK(n == (cap < 3 ? -ENOSPC : 3));
		CHECK(cap < 3 || (slot_of[0] == 0 && slot_of[1] == 2 && slot_of[2] == 2));
		CHECK(cap < 3 || p2b_encode(syms, 3, out, cap, NULL, &fault) == 3);
		free(out);
		free(slot_of);
	}
}

static struct p2b_sym random_sym(uint64_t *seed)
{
	struct p2b_sym s;
	uint64_t bits = random_u64(seed);

	s = (struct p2b_sym){
		.kind = bits % 11 == 10 ? (uint8_t)(bits >> 8) : bits % 9,
		.code = (uint8_t)(bits >> 16),
		.dst = (bits >> 24) % 12,
		.src = (bits >> 32) % 12,
		.off = (int16_t)(bits >> 40),
		.ref = (int32_t)(random_u64(seed) % 12) - 1,
		.imm = (int64_t)random_u64(seed) >> random_u64(seed) % 64,
	};
	return s;
}

static void random_programs(void)
{
	uint64_t seed = 42, encoded = 0;
	int fds[4] = { 3, 4, 5, 6 };
	uint32_t kfuncs[2] = { 100, 200 };

	for (int round = 0; round < 200000; round++) {
		uint32_t n = random_u64(&seed) % 6, cap = random_u64(&seed) % 12;
		struct p2b_sym *syms = malloc(n * sizeof(*syms) + 1);
		uint64_t *out = malloc(cap * 8 + 1);
		struct p2b_fault fault;
		int slots;

		for (uint32_t i = 0; i < n; i++)
			syms[i] = random_sym(&seed);
		slots = p2b_encode(syms, n, out, cap, NULL, &fault);
		CHECK(slots <= (int)cap);
		CHECK((slots < 0) == (fault.what != NULL));
		CHECK(slots >= 0 || fault.index < n);
		if (slots >= 0) {
			encoded++;
			p2b_relocate(out, (uint32_t)slots, fds, 4, kfuncs, 2, &fault);
		}
		free(syms);
		free(out);
	}
	CHECK(encoded > 1000);
}

static void random_slots(void)
{
	static const uint8_t codes[3] = { 0x18, 0x85, 0xb7 };
	uint64_t seed = 7;
	int fds[2] = { 3, 4 };
	uint32_t kfuncs[1] = { 100 };

	for (int round = 0; round < 100000; round++) {
		uint32_t n = random_u64(&seed) % 5;
		uint64_t *slots = malloc(n * 8 + 1);
		struct p2b_fault fault;

		for (uint32_t i = 0; i < n; i++)
			slots[i] = (random_u64(&seed) & ~0xffull) | codes[random_u64(&seed) % 3];
		p2b_relocate(slots, n, fds, 2, kfuncs, 1, &fault);
		free(slots);
	}
}

static void cut_off(void)
{
	uint64_t slot = 0x18;
	struct p2b_fault fault;

	CHECK(p2b_relocate(&slot, 1, NULL, 0, NULL, 0, &fault) == -EINVAL);
	CHECK(strstr(fault.what, "cut off"));
}

void check_encode(void)
{
	small_buffers();
	random_programs();
	random_slots();
	cut_off();
}
