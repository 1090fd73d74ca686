/* The embedded VM's programs: their life, and test runs as net/bpf/test_run.c has them. */
#include <stddef.h>

#include "vm_context.h"

/* What the kernel takes from who has CAP_BPF: BPF_COMPLEXITY_LIMIT_INSNS, MAX_USED_MAPS. */
enum { PROG_MAX = 1000000, MAPS_MAX = 64 };
#define BUDGET (1ull << 30)

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

/* The program's own list of its maps, each held. -EINVAL for another machine's. */
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
		free_prog(prog);
		return err;
	}
	*ret = prog;
	return 0;
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

/* ---- Runs ------------------------------------------------------------------------------------------------------ */

static void start(struct vm_state *s, struct p2b_vm_prog *prog, const struct p2b_vm_run *run)
{
	memset(s, 0, offsetof(struct vm_state, stack));
	s->stack_lo = p2b_ptr(s->stack);
	s->vm = prog->vm;
	s->prog = prog;
	s->pause = run->pause;
	s->breath = vm_ticks();
}

/* What the verifier would have refused: the end of a program that still holds something. */
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

/* Many short runs are as a long one: a run counts as some instructions more. */
static int between_runs(struct vm_state *s, uint64_t spent)
{
	enum { RUN = 64 };

	s->since_breath += spent + RUN;
	if (s->since_breath < VM_SLICE)
		return 0;
	s->since_breath = 0;
	return vm_breathe(s) ? 0 : -EINTR;
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
	vm_drop_held(s);
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
	err = vm_acquire(prog->vm, run->pause);
	if (!err) {
		err = run_locked(prog, run);
		vm_let_go(prog->vm);
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
	err = vm_acquire(prog->vm, run->pause);
	if (!err) {
		err = run_timed(prog, &all, n, retvals, done, run);
		vm_let_go(prog->vm);
	}
	vm_unlock(prog->vm);
	run->data = NULL;
	run->data_size = 0;
	run->duration = n ? (vm_ticks() - begin) / n : 0;
	return err;
}
