/* Calling back into a program from a helper function, and bpf_loop, which does nothing else. */
#include "vm/callback.h"
#include "vm/helpers/helpers.h"

const struct vm_insn *vm_callback(struct vm_state *s, uint64_t addr)
{
	uint64_t at = addr - p2b_ptr(s->prog->insns);

	if (at % sizeof(struct vm_insn) == 0 && at / sizeof(struct vm_insn) < s->prog->n_insns) {
		const struct vm_insn *insn = &s->prog->insns[at / sizeof(struct vm_insn)];

		if (insn->start)
			return insn;
	}
	vm_fault(s, addr, "a helper function's argument is no function of the program");
	return NULL;
}

uint64_t vm_call_back(struct vm_state *s, const struct vm_insn *entry, uint64_t r1, uint64_t r2)
{
	const struct p2b_vm_prog *prog = s->prog;
	uint64_t result;

	if (s->depth + 1 >= VM_FRAMES)
		return vm_fault(s, s->depth + 1, "too many calls inside each other: 8 functions at most");
	s->depth++;
	result = s->exec(s, entry, r1, r2);
	s->depth--;
	s->live = (uint64_t)s->depth * VM_STRIDE + VM_FRAME_SIZE;
	if (s->prog != prog) { /* the callback ended in a tail call */
		s->prog = prog;
		vm_forget(s);
	}
	return result;
}

uint64_t vm_loop(struct vm_state *s, const uint64_t *a)
{
	uint32_t n = (uint32_t)a[0], i;
	const struct vm_insn *entry;

	if (a[3])
		return (uint64_t)-EINVAL;
	if (n > VM_LOOPS_MAX)
		return (uint64_t)-E2BIG;
	entry = vm_callback(s, a[1]);
	if (!entry)
		return 0;
	for (i = 0; i < n; i++) {
		uint64_t stop = vm_call_back(s, entry, i, a[2]);

		if (s->why)
			return 0;
		if (stop)
			return i + 1;
	}
	return i;
}
