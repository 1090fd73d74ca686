/* The embedded VM's programs as their users and program arrays see them; vm/isa.h has what is inside. */
#ifndef P2B_VM_PROG_H
#define P2B_VM_PROG_H

#include "vm/vm.h"

struct p2b_vm_prog;
struct vm_map;

/* As in api/vm.h, with the program in place of its handle. Each takes the lock itself; destroy releases a reference. */
int vm_prog_create(struct p2b_vm *vm, const void *slots, uint32_t n_slots, uint32_t prog_type,
		   struct vm_map *const *maps, uint32_t n_maps, const char *const *kfuncs, uint32_t n_kfuncs,
		   struct p2b_fault *fault, struct p2b_vm_prog **ret);
void vm_prog_destroy(struct p2b_vm_prog *prog);
int vm_run(struct p2b_vm_prog *prog, struct p2b_vm_run *run);
int vm_run_many(struct p2b_vm_prog *prog, const void *data, uint64_t data_size, const uint64_t *offsets,
		const uint32_t *sizes, const uint64_t *times, uint32_t n, uint32_t *retvals, uint32_t *done,
		struct p2b_vm_run *run);

/* References; releasing the last frees. Never release with the lock held. */
void vm_prog_hold(struct p2b_vm_prog *prog);
void vm_prog_release(struct p2b_vm_prog *prog);

/* The program's type, for program arrays, whose programs all have the same type. */
uint32_t vm_prog_type(const struct p2b_vm_prog *prog);

#endif
