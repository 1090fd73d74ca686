/* The embedded VM's machine as its maps and programs see it: lock, references, clock, random numbers. */
#ifndef P2B_VM_H
#define P2B_VM_H

#include "common/core.h"

/* The machine's lock: held while a program runs and while a map is read or changed. Not recursive. */
void vm_lock(struct p2b_vm *vm);
void vm_unlock(struct p2b_vm *vm);

/* References to the machine; releasing the last one frees it. Never release with the lock held. */
void vm_hold(struct p2b_vm *vm);
void vm_release(struct p2b_vm *vm);

/* The machine's clock (CLOCK_MONOTONIC in nanoseconds unless it was set) and random numbers. Under the lock. */
uint64_t vm_now(struct p2b_vm *vm);
uint32_t vm_random(struct p2b_vm *vm);

#endif
