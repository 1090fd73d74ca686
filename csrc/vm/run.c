/* Test runs of the embedded VM's programs, as in net/bpf/test_run.c. */
#include <stddef.h>

#include "vm/budget.h"
#include "vm/context.h"

#define BUDGET (1ull << 30)

static void start(struct vm_state *s, struct p2b_vm_prog *prog, const struct p2b_vm_run *run)
{
	memset(s, 0, offsetof(struct vm_state, stack));
	s->stack_lo = p2b_ptr(s->stack);
	s->vm = prog->vm;
	s->prog = prog;
	s->pause = run->pause;
	s->last_yield = vm_ticks();
	s->exec = vm_exec;
}

/* Faults if a program ends while it still holds something, which the verifier would have refused. */
static void check_end(struct vm_state *s, const struct p2b_vm_prog *prog)
{
	if (s->n_records)
		vm_fault(s, p2b_ptr(s->records[0].at), "the program ends with a ring buffer record that it reserved");
	while (s->n_records) {
		const struct vm_record *r = &s->records[--s->n_records];

		vm_ring_submit(r->map, r->at, 1);
	}
	if (s->lock)
		vm_fault(s, s->lock, "the program ends with a lock held");
	if (s->why && !s->fault_at) {
		s->fault_prog = prog;
		s->fault_at = prog->insns;
	}
}

/* Many short runs yield like a long one: each run counts as some additional instructions. */
static int between_runs(struct vm_state *s, uint64_t executed)
{
	enum { RUN = 64 };

	s->since_yield += executed + RUN;
	if (s->since_yield < VM_SLICE)
		return 0;
	s->since_yield = 0;
	return vm_yield(s) ? 0 : -EINTR;
}

static void tell_fault(struct vm_state *s, struct p2b_vm_run *run)
{
	run->fault = (struct p2b_fault){ (uint32_t)(s->fault_at - s->fault_prog->insns), (int64_t)s->fault_value,
					 s->why };
	run->fault_prog = s->fault_prog;
}

static int run_once(struct vm_state *s, struct p2b_vm_prog *prog, struct p2b_vm_run *run)
{
	uint64_t budget = run->budget ? run->budget : BUDGET, executed;

	s->prog = prog;
	s->depth = s->tail_calls = 0;
	vm_budget(s, budget);
	vm_forget(s);
	run->retval = (uint32_t)vm_exec(s, prog->insns, p2b_ptr(s->ctx), VM_POISON);
	executed = vm_executed(s, budget);
	run->insns += executed;
	check_end(s, prog);
	if (s->why)
		tell_fault(s, run);
	vm_release_targets(s);
	if (s->stopped)
		return -EINTR;
	return s->why ? -EFAULT : between_runs(s, executed + s->work);
}

static int repeat(struct vm_state *s, struct p2b_vm_prog *prog, struct p2b_vm_run *run)
{
	uint32_t n = run->repeat ? run->repeat : 1;
	uint64_t begin = vm_ticks();
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++)
		err = run_once(s, prog, run);
	run->duration = (vm_ticks() - begin - s->paused) / n;
	return err;
}

static int run_locked(struct p2b_vm_prog *prog, struct p2b_vm_run *run)
{
	struct vm_state state;
	int err;

	start(&state, prog, run);
	err = vm_context_check(prog, run) ?: vm_context_begin(&state, prog, run);
	if (err)
		return err;
	err = repeat(&state, prog, run);
	if (!err)
		vm_context_end(&state, prog, run);
	vm_context_free(&state, prog);
	return err;
}

static void clear_results(struct p2b_vm_run *run)
{
	run->data_out_size = 0;
	run->retval = 0;
	run->insns = run->duration = 0;
	run->fault = (struct p2b_fault){ .what = "" };
	run->fault_prog = NULL;
}

int vm_run(struct p2b_vm_prog *prog, struct p2b_vm_run *run)
{
	int err;

	clear_results(run);
	vm_lock(prog->vm);
	err = vm_enter(prog->vm, run->pause);
	if (!err) {
		err = run_locked(prog, run);
		vm_leave(prog->vm);
	}
	vm_unlock(prog->vm);
	return err;
}

struct packets {
	const uint8_t *data;
	uint64_t size;
	const uint64_t *offsets;
	const uint32_t *sizes;
	const uint64_t *times;
};

static int run_packet(struct vm_state *s, struct p2b_vm_prog *prog, const struct packets *all, uint32_t i,
		      struct p2b_vm_run *run)
{
	uint8_t padded[VM_ETH_HLEN] = { 0 };

	if (all->offsets[i] > all->size || all->sizes[i] > all->size - all->offsets[i])
		return -EINVAL;
	run->data = all->data + all->offsets[i];
	run->data_size = all->sizes[i];
	if (run->data_size < VM_ETH_HLEN) {
		memcpy(padded, run->data, run->data_size);
		run->data = padded;
		run->data_size = VM_ETH_HLEN;
	}
	if (all->times)
		prog->vm->clock = all->times[i];
	return vm_context_begin(s, prog, run) ?: run_once(s, prog, run);
}

static int run_packets(struct p2b_vm_prog *prog, const struct packets *all, uint32_t n, uint32_t *retvals,
		       uint32_t *done, struct p2b_vm_run *run)
{
	struct vm_state state;

	start(&state, prog, run);
	for (*done = 0; *done < n; ++*done) {
		int err = run_packet(&state, prog, all, *done, run);

		if (err)
			return err;
		retvals[*done] = run->retval;
	}
	return 0;
}

static int run_timed(struct p2b_vm_prog *prog, const struct packets *all, uint32_t n, uint32_t *retvals,
		     uint32_t *done, struct p2b_vm_run *run)
{
	struct p2b_vm *vm = prog->vm;
	uint64_t clock = vm->clock;
	int fixed = vm->fixed_clock, err;

	vm->fixed_clock |= all->times != NULL;
	err = run_packets(prog, all, n, retvals, done, run);
	vm->clock = clock;
	vm->fixed_clock = fixed;
	return err;
}

int vm_run_many(struct p2b_vm_prog *prog, const void *data, uint64_t data_size, const uint64_t *offsets,
		    const uint32_t *sizes, const uint64_t *times, uint32_t n, uint32_t *retvals, uint32_t *done,
		    struct p2b_vm_run *run)
{
	const struct packets all = { data, data_size, offsets, sizes, times };
	uint64_t begin = vm_ticks();
	int err;

	clear_results(run);
	*done = 0;
	if (prog->class == VM_PLAIN)
		return -EINVAL;
	run->ctx_size = 0;
	vm_lock(prog->vm);
	err = vm_enter(prog->vm, run->pause);
	if (!err) {
		err = run_timed(prog, &all, n, retvals, done, run);
		vm_leave(prog->vm);
	}
	vm_unlock(prog->vm);
	run->data = NULL;
	run->data_size = 0;
	run->duration = n ? (vm_ticks() - begin) / n : 0;
	return err;
}
