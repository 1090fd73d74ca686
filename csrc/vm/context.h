/* Contexts of test runs: what programs of each type get, and what comes back. */
#ifndef P2B_VM_CONTEXT_H
#define P2B_VM_CONTEXT_H

#include "vm/state.h"

/* enum bpf_prog_type, where it matters. */
enum {
	VM_SOCKET_FILTER = 1,
	VM_KPROBE = 2,
	VM_SCHED_CLS = 3,
	VM_SCHED_ACT = 4,
	VM_XDP_PROG = 6,
	VM_CGROUP_SKB = 8,
	VM_LWT_IN = 10,
	VM_LWT_OUT = 11,
	VM_LWT_XMIT = 12,
};

/* -EINVAL for packets that the kernel refuses to test programs on, and the VM could take. */
int vm_context_check(const struct p2b_vm_prog *prog, const struct p2b_vm_run *run);

/* Makes packet and context from what the run gives. 0, -EINVAL for what the kernel refuses, -ENOMEM. */
int vm_context_begin(struct vm_state *state, const struct p2b_vm_prog *prog, const struct p2b_vm_run *run);

/* Gives packet and context back. */
void vm_context_end(const struct vm_state *state, const struct p2b_vm_prog *prog, struct p2b_vm_run *run);

/* Frees what begin allocated. */
void vm_context_free(struct vm_state *state, const struct p2b_vm_prog *prog);

#endif
