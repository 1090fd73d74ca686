/* The lifetime of the embedded VM's programs: users and program arrays hold them. */
#include "vm/isa.h"

static void free_prog(struct p2b_vm_prog *prog)
{
	struct p2b_vm *vm = prog->vm;

	for (uint32_t i = 0; i < prog->n_maps; i++)
		vm_map_release(prog->maps[i]);
	free(prog->maps);
	free(prog->insns);
	free(prog);
	vm_release(vm);
}

void vm_prog_destroy(struct p2b_vm_prog *prog)
{
	if (prog)
		vm_prog_release(prog);
}

void vm_prog_hold(struct p2b_vm_prog *prog)
{
	__atomic_add_fetch(&prog->refs, 1, __ATOMIC_RELAXED);
}

void vm_prog_release(struct p2b_vm_prog *prog)
{
	if (__atomic_sub_fetch(&prog->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free_prog(prog);
}

uint32_t vm_prog_type(const struct p2b_vm_prog *prog)
{
	return prog->type;
}
