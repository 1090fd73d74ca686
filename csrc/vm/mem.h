/* Memory as a running program sees it: the addresses that it may use, and helper functions' arguments. */
#ifndef P2B_VM_MEM_H
#define P2B_VM_MEM_H

#include "vm/state.h"

/* Where [addr, addr + size) is; NULL if the program may not access it, or it is the context. Remembers the region. */
uint8_t *vm_translate_slow(struct vm_state *state, uint64_t addr, uint64_t size, int needs);

static inline uint8_t *vm_translate(struct vm_state *state, uint64_t addr, uint64_t size, int needs)
{
	uint64_t at = addr - state->stack_lo;

	if (at < state->live && (at & (VM_STRIDE - 1)) + size <= VM_FRAME_SIZE)
		return (uint8_t *)(uintptr_t)addr;
	at = addr - state->last.lo;
	if (at < state->last.size && (at & state->last.mask) + size <= state->last.limit &&
	    (state->last.allows & needs) == needs)
		return (uint8_t *)(uintptr_t)addr;
	return vm_translate_slow(state, addr, size, needs);
}

/* vm_translate for an atomic operation of 1, 2, 4 or 8 bytes; if it gives NULL, call vm_no_atomic for the fault. */
static inline uint8_t *vm_translate_atomic(struct vm_state *state, uint64_t addr, uint64_t size, int needs)
{
	return addr & (size - 1) ? NULL : vm_translate(state, addr, size, needs | VM_ATOMICS);
}
void vm_no_atomic(struct vm_state *state, uint64_t addr, uint64_t size, int needs);

/* Accesses that vm_translate refuses: of the context, or a fault. 1 if it succeeded. size: 1, 2, 4, 8. */
int vm_load_slow(struct vm_state *state, uint64_t addr, uint32_t size, uint64_t *value);
int vm_store_slow(struct vm_state *state, uint64_t addr, uint32_t size, uint64_t value, int constant);

/* A helper's memory argument, charged to the budget, or NULL after a fault. With size 0, any address is valid. */
uint8_t *vm_argument(struct vm_state *state, uint64_t addr, uint64_t size, int write);

/* A helper's map argument, or NULL after a fault. */
struct vm_map *vm_map_argument(struct vm_state *state, uint64_t value);

/* The same for a map that must have the ability (VM_CAN_FIND ...); sets the map's work to 0. */
static inline struct vm_map *vm_map_for(struct vm_state *state, uint64_t value, uint32_t ability)
{
	struct vm_map *map = vm_map_argument(state, value);

	if (!map)
		return NULL;
	if (map->abilities & ability) {
		map->work = 0;
		return map;
	}
	vm_fault(state, map->kind, "this kind of map has no such helper function");
	return NULL;
}

/* Whether a helper's argument is the program's context; if not, the program faults. */
int vm_ctx_argument(struct vm_state *state, uint64_t value);

/* How many bytes at addr may be read, at most max, for strings and probes. Never a fault. */
uint64_t vm_readable(struct vm_state *state, uint64_t addr, uint64_t max);

#endif
