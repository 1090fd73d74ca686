/* Kernel functions by name: kernel/bpf/bpf_iter.c. */
#include "vm/helpers/helpers.h"

/* struct bpf_iter_num, as the kernel uses its 8 bytes. */
struct numbers {
	int32_t now, end;
};

static uint8_t *iterator(struct vm_state *s, uint64_t addr)
{
	if (addr - s->stack_lo < s->live && addr % 8 == 0)
		return vm_argument(s, addr, sizeof(struct numbers), 1);
	vm_fault(s, addr, "an iterator that is not on the stack");
	return NULL;
}

static uint64_t iter_num_new(struct vm_state *s, const uint64_t *a)
{
	int32_t start = (int32_t)a[1], end = (int32_t)a[2];
	struct numbers *it = (struct numbers *)iterator(s, a[0]);

	if (!it)
		return 0;
	*it = (struct numbers){ 0 };
	if (start > end)
		return (uint64_t)-EINVAL;
	if ((int64_t)end - start > VM_LOOPS_MAX)
		return (uint64_t)-E2BIG;
	*it = (struct numbers){ (int32_t)((uint32_t)start - 1), end };
	return 0;
}

static uint64_t iter_num_next(struct vm_state *s, const uint64_t *a)
{
	struct numbers *it = (struct numbers *)iterator(s, a[0]);

	if (!it)
		return 0;
	it->now = (int32_t)((uint32_t)it->now + 1);
	if (it->now < it->end)
		return p2b_ptr(&it->now);
	*it = (struct numbers){ 0 };
	return 0;
}

static uint64_t iter_num_destroy(struct vm_state *s, const uint64_t *a)
{
	struct numbers *it = (struct numbers *)iterator(s, a[0]);

	if (it)
		*it = (struct numbers){ 0 };
	return 0;
}

static const struct kfunc {
	const char *name;
	vm_helper *fn;
} kfuncs[] = {
	{ "bpf_iter_num_new", iter_num_new },
	{ "bpf_iter_num_next", iter_num_next },
	{ "bpf_iter_num_destroy", iter_num_destroy },
};

vm_helper *vm_find_kfunc(const char *name)
{
	for (size_t i = 0; i < sizeof(kfuncs) / sizeof(*kfuncs); i++)
		if (strcmp(kfuncs[i].name, name) == 0)
			return kfuncs[i].fn;
	return NULL;
}
