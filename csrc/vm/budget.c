/*
 * A run's instruction budget, in slices. Between slices the machine yields to threads that wait for its lock, and asks
 * pause() whether to go on. Pointers into maps stay valid meanwhile, since values never move.
 */
#include <time.h>

#include "vm/budget.h"

enum { LOCKED_MAX = 64 };

uint64_t vm_ticks(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint32_t p2b_vm_slice(void)
{
	return VM_SLICE;
}

/* A helper function may have used up more than a slice. */
static void take_slice(struct vm_state *s)
{
	uint64_t slice = VM_SLICE + (s->left < 0 ? (uint64_t)-s->left : 0);

	slice = s->rest < slice ? s->rest : slice;
	s->left += (int64_t)slice;
	s->rest -= slice;
}

void vm_budget(struct vm_state *s, uint64_t budget)
{
	s->left = 0;
	s->work = 0;
	s->rest = budget;
	take_slice(s);
}

uint64_t vm_executed(const struct vm_state *s, uint64_t budget)
{
	return budget - s->rest - (uint64_t)s->left - s->work;
}

/* While the program holds a bpf_spin_lock, the machine doesn't yield: nobody else may access the maps. */
static int pause_locked(struct vm_state *s)
{
	if (++s->locked < LOCKED_MAX)
		return 1;
	vm_fault(s, s->lock, "a lock is held for too long: a loop without an end?");
	return 0;
}

int vm_yield(struct vm_state *s)
{
	uint64_t begin = vm_ticks(), end;

	if (begin - s->last_yield < VM_PERIOD)
		return 1;
	if (s->lock)
		return pause_locked(s);
	vm_unlock(s->vm);
	s->stopped = s->pause && s->pause();
	vm_lock(s->vm);
	vm_unlock_fairly(s->vm);
	end = vm_ticks();
	s->paused += end - begin;
	s->last_yield = end;
	s->locked = 0;
	if (s->stopped)
		vm_fault(s, 0, "the run was interrupted");
	return !s->stopped;
}

int vm_next_slice(struct vm_state *s)
{
	if (!vm_yield(s))
		return 0;
	take_slice(s);
	if (s->left >= 0)
		return 1;
	vm_fault(s, 0, "the instruction budget is used up: a loop without an end?");
	return 0;
}

void vm_hold_target(struct vm_state *s, struct p2b_vm_prog *prog)
{
	vm_prog_hold(prog);
	s->targets[s->n_targets++] = prog;
}

void vm_release_targets(struct vm_state *s)
{
	if (!s->n_targets)
		return;
	vm_unlock(s->vm);
	while (s->n_targets)
		vm_prog_release(s->targets[--s->n_targets]);
	vm_lock(s->vm);
}
