/* Calling back into a running program from a helper function. */
#ifndef P2B_VM_CALLBACK_H
#define P2B_VM_CALLBACK_H

#include "vm/state.h"

/* The subprogram that a function pointer names, or NULL after a fault. */
const struct vm_insn *vm_callback(struct vm_state *state, uint64_t addr);

/* Calls the subprogram and returns its result. A fault is in state->why. */
uint64_t vm_call_back(struct vm_state *state, const struct vm_insn *entry, uint64_t r1, uint64_t r2);

#endif
