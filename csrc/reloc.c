/* Puts map descriptors into encoded map loads: RFC 9669, section 5.4 (64-bit immediate instructions). */
#include "core.h"

static uint8_t pseudo_of(const struct slot *s)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return s->regs & 15;
#else
	return s->regs >> 4;
#endif
}

static int fail(struct p2b_fault *fault, uint32_t index, int64_t value, const char *what)
{
	*fault = (struct p2b_fault){ .index = index, .value = value, .what = what };
	return -EINVAL;
}

int p2b_relocate(void *slots, uint32_t n_slots, const int *fds, uint32_t n_fds, struct p2b_fault *fault)
{
	struct slot *s = slots;

	*fault = (struct p2b_fault){ 0 };
	for (uint32_t i = 0; i < n_slots; i++) {
		uint8_t pseudo = pseudo_of(&s[i]);

		if (s[i].code != CODE_LD64)
			continue;
		if (i + 1 >= n_slots)
			return fail(fault, i, i, "a two-slot instruction is cut off at the end");
		if (pseudo == PSEUDO_MAP_FD || pseudo == PSEUDO_MAP_VALUE) {
			if (s[i].imm < 0 || (uint32_t)s[i].imm >= n_fds)
				return fail(fault, i, s[i].imm, "map number without a descriptor");
			s[i].imm = fds[s[i].imm];
		}
		i++;
	}
	return 0;
}
