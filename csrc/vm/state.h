/* A running program: its stack, context, packet, and what it may touch. */
#ifndef P2B_VM_STATE_H
#define P2B_VM_STATE_H

#include "vm/isa.h"
#include "vm/packet.h"

/* Instructions between looks at the clock. A build with another number proves that nothing depends on where they are. */
#ifndef P2B_VM_SLICE
#define P2B_VM_SLICE (1 << 16)
#endif

enum {
	VM_FRAMES = 8,          /* MAX_CALL_FRAMES */
	VM_FRAME_SIZE = 512,         /* MAX_BPF_STACK */
	VM_STRIDE = 1024,       /* between frames: what leaves its own doesn't land in another's */
	VM_TAIL_CALLS = 33,     /* MAX_TAIL_CALL_CNT */
	VM_LOOPS_MAX = 1 << 23, /* BPF_MAX_LOOPS */
	VM_RECORDS = 16,
	VM_SLICE = P2B_VM_SLICE,
	VM_WORK = 8,            /* bytes that a helper function works on, for one instruction of the budget */
	VM_POISON = 0x5ca1ab1e, /* what registers hold that have no value */
};

/* What an access needs of a region, and a region allows. The kernel has no atomic operations on packets. */
enum { VM_READS = 0, VM_WRITES = 1, VM_ATOMICS = 2 };

/*
 * Bytes that a program may touch: all, or (in a map's arena) of every mask + 1 bytes the first limit. So programs that go
 * to and fro between a map's values stay in one region.
 */
struct vm_region {
	uint64_t lo, size;
	uint64_t mask, limit;
	int allows;             /* VM_WRITES, VM_ATOMICS; reads always */
};

struct vm_record {
	struct vm_map *map;
	uint8_t *at;
	uint64_t size;
};

struct vm_frame {
	const struct vm_insn *back;
	const struct p2b_vm_prog *prog;
	uint64_t saved[4];
};

/* The record of a user ring buffer that a callback is called with; map is NULL outside of one. */
struct vm_user_record {
	struct vm_map *map;
	uint32_t size;
};

struct vm_state;

/* Runs the function at entry as the frame at state->depth; NULL in state->why, or the fault. */
typedef uint64_t vm_exec_fn(struct vm_state *state, const struct vm_insn *entry, uint64_t r1, uint64_t r2);

struct vm_state {
	struct vm_region last;  /* where the last access that wasn't to the stack went */
	uint64_t stack_lo;
	uint64_t live;          /* bytes from there that belong to live frames */
	uint32_t depth;
	uint32_t tail_calls;
	int64_t left;           /* of the slice of the budget */
	uint64_t rest;          /* of the budget, behind the slice */
	uint64_t work;          /* what helper functions took of the budget, for bytes */
	uint64_t last_yield;    /* when the run began, or yielded last */
	uint64_t paused;        /* nanoseconds */
	uint64_t since_yield;   /* instructions of whole runs, about */
	int (*pause)(void);
	vm_exec_fn *exec;       /* by which helper functions call back into the program */
	uint32_t locked;        /* pauses that a lock prevented */
	uint32_t n_targets;
	struct p2b_vm_prog *targets[VM_TAIL_CALLS];     /* of tail calls, each held: user space may take them out of their arrays */
	int stopped;            /* by pause() */
	const struct p2b_vm_prog *prog;
	struct p2b_vm *vm;
	uint8_t *ctx;
	uint32_t ctx_size;
	uint64_t ctx_writable;  /* a bit for each 32-bit word */
	struct vm_packet packet;
	struct vm_record records[VM_RECORDS];
	uint32_t n_records;
	struct vm_user_record user_record;
	uint64_t lock;          /* address of the bpf_spin_lock that is held, or 0 */
	const char *why;        /* the fault, static text; NULL: none */
	uint64_t fault_value;
	const struct vm_insn *fault_at;
	const struct p2b_vm_prog *fault_prog;
	uint8_t skb[SKB_SIZE];  /* a network program's context */
	struct vm_frame frames[VM_FRAMES];
	uint32_t turns[VM_FRAMES];      /* that may_goto has left, of each function that runs */
	_Alignas(16) uint8_t stack[VM_FRAMES * VM_STRIDE];
};

/* The subprogram that a function pointer names, or NULL after a fault; and calling it from a helper function. */
const struct vm_insn *vm_callback(struct vm_state *state, uint64_t addr);
uint64_t vm_call_back(struct vm_state *state, const struct vm_insn *entry, uint64_t r1, uint64_t r2);

vm_exec_fn vm_exec;     /* vm/exec.c */

/* ---- vm/budget.c: budget and pauses ----------------------------------------------------------------------------- */

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t vm_ticks(void);

/* A run's budget, its first slice; and how many instructions ran. */
void vm_budget(struct vm_state *state, uint64_t budget);
uint64_t vm_executed(const struct vm_state *state, uint64_t budget);

/*
 * Has the budget pay for a helper function's work on so many bytes. When the slice is used up by that, the next counted
 * instruction begins a new one: a helper function is never interrupted.
 */
static inline void vm_charge(struct vm_state *state, uint64_t bytes)
{
	state->work += bytes / VM_WORK;
	state->left -= (int64_t)(bytes / VM_WORK);
}

/* The slice is used up: yields to other threads if it's time, and takes the next one. 0 when the run ends: with a fault. */
int vm_next_slice(struct vm_state *state);

/* Yields the machine to other threads if it's time. 0 when the run ends. */
int vm_yield(struct vm_state *state);

/* Holds the program that a tail call goes to, until vm_release_targets, which opens the lock to release them. */
void vm_hold_target(struct vm_state *state, struct p2b_vm_prog *prog);
void vm_release_targets(struct vm_state *state);

/* ---- vm/mem.c: memory ----------------------------------------------------------------------------------------- */

/* Where [addr, addr + size) may be accessed; NULL when it may not, or is the context. Remembers the region. */
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

/* As vm_translate for an atomic operation of 1, 2, 4 or 8 bytes; where that is NULL, vm_no_atomic is the fault. */
static inline uint8_t *vm_translate_atomic(struct vm_state *state, uint64_t addr, uint64_t size, int needs)
{
	return addr & (size - 1) ? NULL : vm_translate(state, addr, size, needs | VM_ATOMICS);
}
void vm_no_atomic(struct vm_state *state, uint64_t addr, uint64_t size, int needs);

/* What is no fast access: the context, or a fault. 1 when it was done. size: 1, 2, 4, 8. */
int vm_load_slow(struct vm_state *state, uint64_t addr, uint32_t size, uint64_t *value);
int vm_store_slow(struct vm_state *state, uint64_t addr, uint32_t size, uint64_t value, int constant);

/* Forgets the remembered region: the packet or a record changed. */
static inline void vm_forget(struct vm_state *state)
{
	state->last.size = 0;
}

/* Ends the program: what is static text. Returns 0, for helpers to return. The first fault counts. */
static inline uint64_t vm_fault(struct vm_state *state, uint64_t value, const char *what)
{
	if (!state->why) {
		state->why = what;
		state->fault_value = value;
	}
	return 0;
}

/* A helper's memory argument, which the budget pays for, or NULL after a fault. Of size 0 any address will do. */
uint8_t *vm_argument(struct vm_state *state, uint64_t addr, uint64_t size, int write);

/* A helper's map argument, or NULL after a fault. */
struct vm_map *vm_map_argument(struct vm_state *state, uint64_t value);

/* The same, of a kind that has the ability (VM_CAN_FIND ...); its work is 0 then. */
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

/* Whether a helper's argument is the program's context; a fault when not. */
int vm_ctx_argument(struct vm_state *state, uint64_t value);

/* vm/helpers/table.c: whether a helper's arguments are of these kinds; a fault when not. */
int vm_arguments(struct vm_state *state, const char *kinds, const uint64_t *args);

/* The bytes at addr that may be read, at most max: for strings and probes. 0 where there are none. No fault. */
uint64_t vm_readable(struct vm_state *state, uint64_t addr, uint64_t max);

static inline uint32_t vm_packet_size(const struct vm_state *state)
{
	return state->packet.end - state->packet.data;
}

/* What LD_ABS and LD_IND load: 1 and the value in host order, or 0. */
int vm_packet_load(struct vm_state *state, int64_t offset, uint32_t size, uint64_t *value);

/* ---- vm/format.c, vm/trace.c ---------------------------------------------------------------------------------- */

/*
 * Formats as bpf_trace_printk and bpf_snprintf do, at most cap bytes with the NUL. Returns the length without it that
 * the whole text has, or -EINVAL for what the kernel refuses. format has n_format bytes, its NUL is the last.
 */
int64_t vm_format(struct vm_state *state, char *out, uint64_t cap, const char *format, uint64_t n_format,
		  const uint64_t *args, uint32_t n_args);

/* Appends a line to what programs printed. */
void vm_trace_line(struct p2b_vm *vm, const char *text, uint64_t size);

#endif
