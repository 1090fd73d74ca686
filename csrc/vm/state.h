/* A running program: its stack, context, packet, and the memory that it may access. */
#ifndef P2B_VM_STATE_H
#define P2B_VM_STATE_H

#include "vm/isa.h"
#include "vm/packet.h"

/* Instructions between looks at the clock. Tests with another number prove that nothing depends on these moments. */
#ifndef P2B_VM_SLICE
#define P2B_VM_SLICE (1 << 16)
#endif

enum {
	VM_FRAMES = 8,          /* MAX_CALL_FRAMES */
	VM_FRAME_SIZE = 512,         /* MAX_BPF_STACK */
	VM_STRIDE = 1024,       /* between frames, so that accesses beyond one don't reach the next */
	VM_TAIL_CALLS = 33,     /* MAX_TAIL_CALL_CNT */
	VM_LOOPS_MAX = 1 << 23, /* BPF_MAX_LOOPS */
	VM_RECORDS = 16,
	VM_SLICE = P2B_VM_SLICE,
	VM_WORK = 8,            /* bytes of a helper function's work that cost one instruction of the budget */
	VM_POISON = 0x5ca1ab1e, /* in registers without a value */
};

/* The permissions that an access needs and a region gives. The kernel has no atomic operations on packets. */
enum { VM_READS = 0, VM_WRITES = 1, VM_ATOMICS = 2 };

/*
 * Bytes that a program may access: all of a range, or (in a map's arena) the first limit bytes of every mask + 1. So
 * programs that alternate between a map's values stay in one region.
 */
struct vm_region {
	uint64_t lo, size;
	uint64_t mask, limit;
	int allows;             /* VM_WRITES, VM_ATOMICS; reads are always allowed */
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

/* The user ring buffer's record that was passed to a callback; map is NULL outside of callbacks. */
struct vm_user_record {
	struct vm_map *map;
	uint32_t size;
};

struct vm_state;

/* Runs the function at entry as the frame at state->depth. Afterwards state->why is NULL, or the fault. */
typedef uint64_t vm_exec_fn(struct vm_state *state, const struct vm_insn *entry, uint64_t r1, uint64_t r2);

struct vm_state {
	struct vm_region last;  /* the region of the last access outside of the stack */
	uint64_t stack_lo;
	uint64_t live;          /* bytes from there that belong to live frames */
	uint32_t depth;
	uint32_t tail_calls;
	int64_t left;           /* of the slice of the budget */
	uint64_t rest;          /* of the budget, behind the slice */
	uint64_t work;          /* what helper functions' bytes cost of the budget */
	uint64_t last_yield;    /* when the run began, or yielded last */
	uint64_t paused;        /* nanoseconds */
	uint64_t since_yield;   /* instructions of whole runs, about */
	int (*pause)(void);
	vm_exec_fn *exec;       /* for helper functions that call back into the program */
	uint32_t locked;        /* pauses that a lock prevented */
	uint32_t n_targets;
	struct p2b_vm_prog *targets[VM_TAIL_CALLS];     /* of tail calls; held, as others may take them out of arrays */
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
	uint32_t turns[VM_FRAMES];      /* that may_goto has left, for each running function */
	_Alignas(16) uint8_t stack[VM_FRAMES * VM_STRIDE];
};

vm_exec_fn vm_exec;     /* the run loop */

/* Ends the program; what is static text. Returns 0, which helpers return in turn. Only the first fault counts. */
static inline uint64_t vm_fault(struct vm_state *state, uint64_t value, const char *what)
{
	if (!state->why) {
		state->why = what;
		state->fault_value = value;
	}
	return 0;
}

/* Forgets the remembered region, because the packet or a record changed. */
static inline void vm_forget(struct vm_state *state)
{
	state->last.size = 0;
}

static inline uint32_t vm_packet_size(const struct vm_state *state)
{
	return state->packet.end - state->packet.data;
}

#endif
