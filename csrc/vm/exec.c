/*
 * The embedded VM's run loop: RFC 9669's instructions on decoded slots. Each kind of instruction is a piece of code
 * that jumps to that of the next instruction (computed goto). Instructions are counted only where the program doesn't
 * run straight on, such as at calls and taken jumps.
 */
#include "vm/arithmetic.h"
#include "vm/budget.h"
#include "vm/helpers/packets.h"
#include "vm/mem.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

#define DST r[pc->dst]
#define SRC r[pc->src]
#define GO() goto *labels[pc->op]
#define NEXT() do { pc++; GO(); } while (0)

/*
 * Counts the instructions since the last count, including this one. If the slice of the budget is used up, the next
 * slice starts this instruction all over again. So CHECK_BUDGET() comes before an instruction changes anything,
 * including registers, and an instruction that continues as another one enters it after its CHECK_BUDGET().
 */
#define COUNT() (s->left -= pc - segment + 1)
#define CHECK_BUDGET() do { COUNT(); segment = pc + 1; if (unlikely(s->left < 0)) goto end_of_slice; } while (0)
#define FOLLOW() do { pc += pc->off; segment = pc; GO(); } while (0)
#define TAKE() do { CHECK_BUDGET(); FOLLOW(); } while (0)

#define ALU_FORM(name, form, n, operand)                                                       \
	do_##name##n##form : {                                                                 \
		uint##n##_t a = (uint##n##_t)DST, b = (uint##n##_t)(operand);                  \
		DST = (uint##n##_t)CALC_##name(n);                                             \
		NEXT();                                                                        \
	}
#define ALU(name)                                                                              \
	ALU_FORM(name, K, 64, pc->imm) ALU_FORM(name, X, 64, SRC)                              \
	ALU_FORM(name, K, 32, pc->imm) ALU_FORM(name, X, 32, SRC)

#define JUMP_FORM(name, form, n, operand)                                                      \
	do_##name##n##form : {                                                                 \
		uint##n##_t a = (uint##n##_t)DST, b = (uint##n##_t)(operand);                  \
		if (TEST_##name(n))                                                            \
			TAKE();                                                                \
		NEXT();                                                                        \
	}
#define JUMP(name)                                                                             \
	JUMP_FORM(name, K, 64, pc->imm) JUMP_FORM(name, X, 64, SRC)                            \
	JUMP_FORM(name, K, 32, pc->imm) JUMP_FORM(name, X, 32, SRC)

#define LOAD(name, bits, type, extend)                                                                 \
	do_##name##bits : {                                                                    \
		uint64_t addr = SRC + (uint64_t)(int64_t)pc->off;                              \
		const uint8_t *at = vm_translate(s, addr, bits / 8, VM_READS);                     \
		if (unlikely(!at)) {                                                           \
			if (!vm_load_slow(s, addr, bits / 8, &DST))                            \
				goto fault;                                                    \
			if (extend)                                                            \
				DST = (uint64_t)(int64_t)(type)DST;                            \
			NEXT();                                                                \
		}                                                                              \
		DST = (uint64_t)(int64_t)(type)get##bits(at);                                  \
		NEXT();                                                                        \
	}

#define STORE(name, bits, operand, constant)                                                   \
	do_##name##bits : {                                                                    \
		uint64_t addr = DST + (uint64_t)(int64_t)pc->off;                              \
		uint8_t *at = vm_translate(s, addr, bits / 8, VM_WRITES);                          \
		if (unlikely(!at)) {                                                           \
			if (!vm_store_slow(s, addr, bits / 8, (uint64_t)(operand), constant)) \
				goto fault;                                                    \
			NEXT();                                                                \
		}                                                                              \
		put##bits(at, (uint##bits##_t)(operand));                                      \
		NEXT();                                                                        \
	}

/* The machine's lock makes these operations atomic: no other program and no map operation runs meanwhile. */
#define FIND_ATOMIC(bits, base, needs)                                                         \
	uint64_t addr = (base) + (uint64_t)(int64_t)pc->off;                                   \
	uint8_t *at = vm_translate_atomic(s, addr, (bits) / 8, needs);                             \
	if (unlikely(!at)) {                                                                   \
		vm_no_atomic(s, addr, (bits) / 8, needs);                                      \
		goto fault;                                                                    \
	}
#define ATOMIC_FORM(name, n, result)                                                           \
	do_##name##n : {                                                                       \
		FIND_ATOMIC(n, DST, VM_WRITES)                                                 \
		uint##n##_t a = get##n(at), b = (uint##n##_t)SRC;                              \
		put##n(at, ATOM_##name);                                                       \
		result;                                                                        \
		NEXT();                                                                        \
	}
#define ATOMIC(name) ATOMIC_FORM(name, 64, (void)0) ATOMIC_FORM(name, 32, (void)0)
#define FETCHING(name) ATOMIC_FORM(name, 64, SRC = a) ATOMIC_FORM(name, 32, SRC = a)
#define CMPXCHG_FORM(n)                                                                        \
	do_CMPXCHG##n : {                                                                      \
		FIND_ATOMIC(n, DST, VM_WRITES)                                                 \
		uint##n##_t a = get##n(at);                                                    \
		put##n(at, a == (uint##n##_t)r[0] ? (uint##n##_t)SRC : a);                     \
		r[0] = a;                                                                      \
		NEXT();                                                                        \
	}
#define ACQUIRE(bits)                                                                          \
	do_ACQUIRE##bits : {                                                                   \
		FIND_ATOMIC(bits, SRC, VM_READS)                                               \
		DST = get##bits(at);                                                           \
		NEXT();                                                                        \
	}
#define RELEASE(bits)                                                                          \
	do_RELEASE##bits : {                                                                   \
		FIND_ATOMIC(bits, DST, VM_WRITES)                                              \
		put##bits(at, (uint##bits##_t)SRC);                                            \
		NEXT();                                                                        \
	}

#define PACKET(name, bits, index)                                                              \
	do_##name##bits : {                                                                    \
		int32_t at = (int32_t)((uint32_t)pc->imm + (uint32_t)(index));                 \
		uint64_t value;                                                                \
		if (unlikely(!vm_ctx_argument(s, r[6])))                                       \
			goto fault;                                                            \
		if (!vm_packet_load(s, at, bits / 8, &value)) {                                \
			CHECK_BUDGET();                                                               \
			r[0] = 0;                                                              \
			goto leave;                                                            \
		}                                                                              \
		r[0] = value;                                                                  \
		scratch(r);                                                                    \
		NEXT();                                                                        \
	}

#define SINGLE(name, expression) do_##name : { DST = (expression); NEXT(); }

/* Calls destroy the values of r1 to r5. */
static inline void scratch(uint64_t *r)
{
	for (int i = 1; i <= 5; i++)
		r[i] = VM_POISON;
}

static uint64_t frame_pointer(struct vm_state *s)
{
	uint8_t *frame = s->stack + s->depth * VM_STRIDE;

	memset(frame, 0, VM_FRAME_SIZE);
	s->live = (uint64_t)s->depth * VM_STRIDE + VM_FRAME_SIZE;
	s->turns[s->depth] = VM_LOOPS_MAX;
	return p2b_ptr(frame + VM_FRAME_SIZE);
}

/* The program that a tail call goes to, or NULL when it goes nowhere. */
static struct p2b_vm_prog *tail_call(struct vm_state *s, const uint64_t *r)
{
	struct vm_map *map;
	struct p2b_vm_prog *next;

	if (!vm_ctx_argument(s, r[1]))
		return NULL;
	map = vm_map_argument(s, r[2]);
	if (!map)
		return NULL;
	if (!(map->abilities & VM_CAN_TAIL_CALL)) {
		vm_fault(s, r[2], "a tail call needs a program array");
		return NULL;
	}
	if ((uint32_t)r[3] >= map->max_entries || s->tail_calls >= VM_TAIL_CALLS)
		return NULL;
	next = vm_map_prog(map, (uint32_t)r[3]);
	if (!next || next->vm != s->vm || next->type != s->prog->type)
		return NULL;
	s->tail_calls++;
	vm_hold_target(s, next);
	return next;
}

#define FORM_LABELS(op)                                                                        \
	[OP_##op##64K] = &&do_##op##64K, [OP_##op##64X] = &&do_##op##64X,                      \
	[OP_##op##32K] = &&do_##op##32K, [OP_##op##32X] = &&do_##op##32X,
#define WIDTH_LABELS(op) [OP_##op##64] = &&do_##op##64, [OP_##op##32] = &&do_##op##32,
#define ONE_LABEL(op) [OP_##op] = &&do_##op,

uint64_t vm_exec(struct vm_state *s, const struct vm_insn *pc, uint64_t r1, uint64_t r2)
{
	static const void *const labels[VM_OPS] = {
		VM_ALU_OPS(FORM_LABELS) VM_JUMP_OPS(FORM_LABELS) VM_ATOMIC_OPS(WIDTH_LABELS) VM_SINGLE_OPS(ONE_LABEL)
	};
	uint64_t r[11] = { VM_POISON, r1, r2, VM_POISON, VM_POISON, VM_POISON,
			   VM_POISON, VM_POISON, VM_POISON, VM_POISON, frame_pointer(s) };
	const struct vm_insn *segment = pc;
	const uint32_t bottom = s->depth;

	GO();

	VM_ALU_OPS(ALU)
	VM_JUMP_OPS(JUMP)
	SINGLE(NEG64, 0 - DST)
	SINGLE(NEG32, (uint32_t)(0 - (uint32_t)DST))
	SINGLE(SX8, (uint64_t)(int64_t)(int8_t)SRC)
	SINGLE(SX16, (uint64_t)(int64_t)(int16_t)SRC)
	SINGLE(SX32, (uint64_t)(int64_t)(int32_t)SRC)
	SINGLE(SX8_32, (uint32_t)(int32_t)(int8_t)SRC)
	SINGLE(SX16_32, (uint32_t)(int32_t)(int16_t)SRC)
	SINGLE(ZX16, (uint16_t)DST)
	SINGLE(NOP, DST)
	SINGLE(SWAP16, __builtin_bswap16((uint16_t)DST))
	SINGLE(SWAP32, __builtin_bswap32((uint32_t)DST))
	SINGLE(SWAP64, __builtin_bswap64(DST))
	LOAD(LOAD, 8, uint8_t, 0)
	LOAD(LOAD, 16, uint16_t, 0)
	LOAD(LOAD, 32, uint32_t, 0)
	LOAD(LOAD, 64, uint64_t, 0)
	LOAD(LOADS, 8, int8_t, 1)
	LOAD(LOADS, 16, int16_t, 1)
	LOAD(LOADS, 32, int32_t, 1)
	STORE(STORE, 8, SRC, 0)
	STORE(STORE, 16, SRC, 0)
	STORE(STORE, 32, SRC, 0)
	STORE(STORE, 64, SRC, 0)
	STORE(PUT, 8, pc->imm, 1)
	STORE(PUT, 16, pc->imm, 1)
	STORE(PUT, 32, pc->imm, 1)
	STORE(PUT, 64, pc->imm, 1)
	ATOMIC(AADD)
	ATOMIC(AOR)
	ATOMIC(AAND)
	ATOMIC(AXOR)
	FETCHING(FADD)
	FETCHING(FOR)
	FETCHING(FAND)
	FETCHING(FXOR)
	FETCHING(XCHG)
	CMPXCHG_FORM(64)
	CMPXCHG_FORM(32)
	ACQUIRE(8)
	ACQUIRE(16)
	ACQUIRE(32)
	ACQUIRE(64)
	RELEASE(8)
	RELEASE(16)
	RELEASE(32)
	RELEASE(64)
	PACKET(ABS, 8, 0)
	PACKET(ABS, 16, 0)
	PACKET(ABS, 32, 0)
	PACKET(IND, 8, SRC)
	PACKET(IND, 16, SRC)
	PACKET(IND, 32, SRC)

do_LD64:
	DST = (uint64_t)pc->imm;
	s->left++; /* two slots, one instruction */
	pc += 2;
	GO();

do_JA:
	TAKE();

do_MAY_GOTO:
	if (s->turns[s->depth]) {
		s->turns[s->depth]--;
		NEXT();
	}
	TAKE();

do_HELPER:
	CHECK_BUDGET();
	r[0] = pc->helper(s, r + 1);
	if (unlikely(s->why))
		goto fault;
	scratch(r);
	NEXT();

do_CHECKED:
	CHECK_BUDGET();
	if (unlikely(!vm_arguments(s, pc->row->args, r + 1)))
		goto fault;
	r[0] = pc->row->fn(s, r + 1);
	if (unlikely(s->why))
		goto fault;
	scratch(r);
	NEXT();

do_LOCAL:
	CHECK_BUDGET();
	if (unlikely(s->depth + 1 >= VM_FRAMES)) {
		vm_fault(s, s->depth + 1, "too many calls inside each other: 8 functions at most");
		goto fault;
	}
	s->frames[s->depth] = (struct vm_frame){ pc + 1, s->prog, { r[6], r[7], r[8], r[9] } };
	s->depth++;
	r[10] = frame_pointer(s);
	r[0] = r[6] = r[7] = r[8] = r[9] = VM_POISON;
	FOLLOW();

do_TAIL: {
	struct p2b_vm_prog *next;

	CHECK_BUDGET();
	next = tail_call(s, r);
	if (unlikely(s->why))
		goto fault;
	if (next) {
		s->prog = next;
		vm_forget(s);
		s->turns[s->depth] = VM_LOOPS_MAX;
		pc = segment = next->insns;
		r[1] = p2b_ptr(s->ctx);
		GO();
	}
	scratch(r);
	NEXT();
}

do_EXIT:
	CHECK_BUDGET();
leave:
	if (s->depth == bottom)
		return r[0];
	s->depth--;
	s->live -= VM_STRIDE;
	memcpy(&r[6], s->frames[s->depth].saved, sizeof(s->frames[0].saved));
	r[10] -= VM_STRIDE;
	if (unlikely(s->prog != s->frames[s->depth].prog)) {
		s->prog = s->frames[s->depth].prog;
		vm_forget(s);
	}
	pc = segment = s->frames[s->depth].back;
	scratch(r);
	GO();

do_SECOND: /* decoding lets nothing get here */
	vm_fault(s, pc->op, "an instruction that can't be");
	goto fault;

end_of_slice:
	if (vm_next_slice(s))
		GO();
fault:
	COUNT();
	if (!s->fault_at) {
		s->fault_at = pc;
		s->fault_prog = s->prog;
	}
	return 0;
}
