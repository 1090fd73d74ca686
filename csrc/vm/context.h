/* Contexts of test runs: the input and output of each type of program. */
#ifndef P2B_VM_CONTEXT_H
#define P2B_VM_CONTEXT_H

#include "vm/prog_types.h"
#include "vm/state.h"

/* -EINVAL for packets that the VM could run on, but the kernel refuses in test runs. */
int vm_context_check(const struct p2b_vm_prog *prog, const struct p2b_vm_run *run);

/* Makes packet and context from the run's input. 0, -EINVAL for input that the kernel refuses, -ENOMEM. */
int vm_context_begin(struct vm_state *state, const struct p2b_vm_prog *prog, const struct p2b_vm_run *run);

/* Copies packet and context to the run's output. */
void vm_context_end(const struct vm_state *state, const struct p2b_vm_prog *prog, struct p2b_vm_run *run);

/* Frees what vm_context_begin allocated. */
void vm_context_free(struct vm_state *state, const struct p2b_vm_prog *prog);

/* ---- The files of each class of programs, context_*.c ---------------------------------------------------------- */

enum {
	VM_SKB_HEADROOM = 1 << 15,
	VM_LOOPBACK = 1,                /* the device that packets come from and go to */
};

int vm_skb_begin(struct vm_state *state, const struct p2b_vm_prog *prog, const struct p2b_vm_run *run);
void vm_skb_end(const struct vm_state *state, const struct p2b_vm_prog *prog, struct p2b_vm_run *run);
int vm_xdp_begin(struct vm_state *state, const struct p2b_vm_run *run);
void vm_xdp_end(const struct vm_state *state, struct p2b_vm_run *run);

/* Whether ctx has only zeros in [begin, end). */
static inline int vm_is_zero(const uint8_t *ctx, uint32_t begin, uint32_t end)
{
	while (begin < end && !ctx[begin])
		begin++;
	return begin == end;
}

/* Copies the given context, cut or padded with zeros to size bytes; bytes that are cut off must be zero. */
static inline int vm_copy_ctx(const struct p2b_vm_run *run, uint8_t *to, uint32_t size)
{
	if (run->ctx_size > size && !vm_is_zero(run->ctx, size, run->ctx_size))
		return -E2BIG;
	memset(to, 0, size);
	memcpy(to, run->ctx, run->ctx_size < size ? run->ctx_size : size);
	return 0;
}

#endif
