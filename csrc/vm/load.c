/* Loading a program into the embedded VM: its size, its maps, its instructions. */
#include "vm/isa.h"
#include "vm/prog_types.h"

/* The kernel's limits for users with CAP_BPF: BPF_COMPLEXITY_LIMIT_INSNS, MAX_USED_MAPS. */
enum { PROG_MAX = 1000000, MAPS_MAX = 64 };

static enum vm_class class_of(uint32_t type)
{
	switch (type) {
	case VM_SOCKET_FILTER:
	case VM_SCHED_CLS:
	case VM_SCHED_ACT:
	case VM_CGROUP_SKB:
	case VM_LWT_IN:
	case VM_LWT_OUT:
	case VM_LWT_XMIT:
		return VM_SKB;
	case VM_XDP_PROG:
		return VM_XDP;
	default:
		return VM_PLAIN;
	}
}

/* Makes the program's own list of its maps, each held. -EINVAL if a map belongs to another machine. */
static int take_maps(struct p2b_vm_prog *prog, struct vm_map *const *maps, uint32_t n)
{
	prog->maps = calloc(n + 1, sizeof(*prog->maps));
	if (!prog->maps)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (maps[i]->vm != prog->vm)
			return -EINVAL;
		vm_map_hold(maps[i]);
		prog->maps[prog->n_maps++] = maps[i];
	}
	return 0;
}

static int check_size(uint32_t n_slots, uint32_t n_maps, struct p2b_fault *fault)
{
	if (n_slots > PROG_MAX)
		*fault = (struct p2b_fault){ .value = n_slots, .what = "a program of more than 1000000 instructions" };
	else if (n_maps > MAPS_MAX)
		*fault = (struct p2b_fault){ .value = n_maps, .what = "a program of more than 64 maps" };
	else
		return 0;
	return -E2BIG;
}

int vm_prog_create(struct p2b_vm *vm, const void *slots, uint32_t n_slots, uint32_t prog_type,
		   struct vm_map *const *maps, uint32_t n_maps, const char *const *kfuncs, uint32_t n_kfuncs,
		   struct p2b_fault *fault, struct p2b_vm_prog **ret)
{
	const struct vm_code code = { slots, n_slots, kfuncs, n_kfuncs, fault };
	struct p2b_vm_prog *prog;
	int err;

	*fault = (struct p2b_fault){ .what = "" };
	err = check_size(n_slots, n_maps, fault);
	if (err)
		return err;
	prog = calloc(1, sizeof(*prog));
	if (!prog)
		return -ENOMEM;
	vm_hold(vm);
	*prog = (struct p2b_vm_prog){ .vm = vm, .refs = 1, .type = prog_type, .class = class_of(prog_type),
				      .n_insns = n_slots };
	prog->insns = calloc((size_t)n_slots + 1, sizeof(*prog->insns));
	err = prog->insns ? take_maps(prog, maps, n_maps) : -ENOMEM;
	if (!err)
		err = vm_decode(prog, &code);
	if (err) {
		vm_prog_release(prog);
		return err;
	}
	*ret = prog;
	return 0;
}
