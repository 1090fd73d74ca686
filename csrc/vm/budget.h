/* A run's instruction budget and its pauses. */
#ifndef P2B_VM_BUDGET_H
#define P2B_VM_BUDGET_H

#include "vm/state.h"

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t vm_ticks(void);

/* Starts a run's budget with its first slice; and how many instructions ran. */
void vm_budget(struct vm_state *state, uint64_t budget);
uint64_t vm_executed(const struct vm_state *state, uint64_t budget);

/*
 * Charges the budget for a helper function's work on so many bytes. If this uses up the slice, the next counted
 * instruction begins a new one: a helper function is never interrupted.
 */
static inline void vm_charge(struct vm_state *state, uint64_t bytes)
{
	state->work += bytes / VM_WORK;
	state->left -= (int64_t)(bytes / VM_WORK);
}

/* Called when a slice is used up: yields if it's time, and takes the next slice. 0: the run ends with a fault. */
int vm_next_slice(struct vm_state *state);

/* Yields the machine to other threads if it's time. 0 when the run ends. */
int vm_yield(struct vm_state *state);

/* Holds the program that a tail call goes to, until vm_release_targets, which opens the lock to release them. */
void vm_hold_target(struct vm_state *state, struct p2b_vm_prog *prog);
void vm_release_targets(struct vm_state *state);

#endif
