/*
 * Puts map descriptors into encoded map loads: RFC 9669, section 5.4 (64-bit immediate instructions); and BTF numbers into
 * calls of kernel functions, whose off of 0 stands for the BTF of vmlinux: Documentation/bpf/kfuncs.rst.
 */
#include "common/core.h"

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

static int relocate_map(struct slot *s, uint32_t at, const int *fds, uint32_t n_fds, struct p2b_fault *fault)
{
	uint8_t pseudo = pseudo_of(s);

	if (pseudo != PSEUDO_MAP_FD && pseudo != PSEUDO_MAP_VALUE)
		return 0;
	if (s->imm < 0 || (uint32_t)s->imm >= n_fds)
		return fail(fault, at, s->imm, "map number without a descriptor");
	s->imm = fds[s->imm];
	return 0;
}

static int relocate_call(struct slot *s, uint32_t at, const uint32_t *kfuncs, uint32_t n_kfuncs, struct p2b_fault *fault)
{
	if (pseudo_of(s) != PSEUDO_KFUNC_CALL)
		return 0;
	if (s->imm < 0 || (uint32_t)s->imm >= n_kfuncs)
		return fail(fault, at, s->imm, "number of a kernel function that is not given");
	s->imm = (int32_t)kfuncs[s->imm];
	return 0;
}

int p2b_relocate(void *slots, uint32_t n_slots, const int *fds, uint32_t n_fds, const uint32_t *kfuncs,
		 uint32_t n_kfuncs, struct p2b_fault *fault)
{
	struct slot *s = slots;

	*fault = (struct p2b_fault){ 0 };
	for (uint32_t i = 0; i < n_slots; i++) {
		uint32_t at = i;
		int err = 0;

		if (s[i].code == CODE_CALL)
			err = relocate_call(&s[i], at, kfuncs, n_kfuncs, fault);
		if (s[i].code == CODE_LD64) {
			if (i + 1 >= n_slots)
				return fail(fault, i, i, "a two-slot instruction is cut off at the end");
			err = relocate_map(&s[i++], at, fds, n_fds, fault);
		}
		if (err)
			return err;
	}
	return 0;
}
