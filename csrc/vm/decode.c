/*
 * From slots to decoded instructions, refusing whatever the run loop doesn't want to meet: unknown operations and
 * registers, reserved fields that aren't zero, jumps out of the (sub)program or into a wide instruction, an end that
 * isn't one. Follows RFC 9669 and kernel/bpf/verifier.c (check_subprogs, resolve_pseudo_ldimm64, check_alu_op).
 */
#include "vm/isa.h"

enum { CLASS = 7, LD = 0, LDX, ST, STX, ALU, JMP, JMP32, ALU64 };
enum { SOURCE_X = 8, SIZE = 0x18, MODE = 0xe0, OPERATION = 0xf0 };
enum { MODE_ABS = 0x20, MODE_IND = 0x40, MODE_MEM = 0x60, MODE_MEMSX = 0x80, MODE_ATOMIC = 0xc0 };
enum { FRAME_POINTER = 10, CALL_LOCAL = 1, CALL_KFUNC = 2, LOAD_ACQUIRE = 0x100, STORE_RELEASE = 0x110 };
enum { FUNCTIONS_MAX = 256 /* BPF_MAX_SUBPROGS */ };

struct decoder {
	struct p2b_vm_prog *prog;
	const struct vm_code *code;
	uint32_t at;
	const struct slot *s;
	struct vm_insn *to;
};

static int refuse(const struct decoder *d, int64_t value, const char *what)
{
	*d->code->fault = (struct p2b_fault){ .index = d->at, .value = value, .what = what };
	return -EINVAL;
}

static int unknown(const struct decoder *d)
{
	return refuse(d, d->s->code, "unknown instruction");
}

static int reserved(const struct decoder *d)
{
	return refuse(d, d->s->code, "a field that this instruction doesn't use is not zero");
}

/* The first of the four forms of each operation, by the upper half of its code; 0 (an ALU form) where there is none. */
static int alu_form(const struct decoder *d)
{
	static const uint8_t plain[16] = {
		OP_ADD64K, OP_SUB64K, OP_MUL64K, OP_DIV64K, OP_OR64K, OP_AND64K, OP_LSH64K, OP_RSH64K,
		VM_OPS, OP_MOD64K, OP_XOR64K, OP_MOV64K, OP_ARSH64K, VM_OPS, VM_OPS, VM_OPS,
	};
	uint8_t form = plain[d->s->code >> 4];

	if (d->s->off == 1 && form == OP_DIV64K)
		return OP_SDIV64K;
	if (d->s->off == 1 && form == OP_MOD64K)
		return OP_SMOD64K;
	return form;
}

static int is_division(int form)
{
	return form == OP_DIV64K || form == OP_MOD64K || form == OP_SDIV64K || form == OP_SMOD64K;
}

static int is_shift(int form)
{
	return form == OP_LSH64K || form == OP_RSH64K || form == OP_ARSH64K;
}

/* addr_space_cast: from and to address space 1, which is the program's arena, another map kind that isn't here. */
static int decode_cast(const struct decoder *d)
{
	if (d->s->imm != 1 && d->s->imm != 1 << 16)
		return refuse(d, d->s->imm, "a cast is from address space 1 to 0, or from 0 to 1");
	return refuse(d, d->s->imm, "a cast between address spaces needs an arena, and the embedded VM has none");
}

static int decode_movsx(const struct decoder *d, int wide)
{
	if (wide && d->s->off == 1)
		return decode_cast(d);
	if (d->s->imm)
		return reserved(d);
	switch (d->s->off) {
	case 8:
		d->to->op = wide ? OP_SX8 : OP_SX8_32;
		return 0;
	case 16:
		d->to->op = wide ? OP_SX16 : OP_SX16_32;
		return 0;
	case 32:
		d->to->op = OP_SX32;
		return wide ? 0 : unknown(d);
	}
	return reserved(d);
}

static int decode_end(const struct decoder *d, int wide)
{
	int to_big = (d->s->code & SOURCE_X) != 0;
	int swap = wide || to_big == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

	if ((wide && to_big) || d->to->src || d->s->off)
		return reserved(d);
	switch (d->s->imm) {
	case 16:
		d->to->op = swap ? OP_SWAP16 : OP_ZX16;
		return 0;
	case 32:
		d->to->op = swap ? OP_SWAP32 : OP_MOV32X;
		d->to->src = d->to->dst;
		return 0;
	case 64:
		d->to->op = swap ? OP_SWAP64 : OP_NOP;
		return 0;
	}
	return refuse(d, d->s->imm, "byte swaps are of 16, 32 or 64 bits");
}

static int decode_alu(const struct decoder *d)
{
	int wide = (d->s->code & CLASS) == ALU64, from_register = (d->s->code & SOURCE_X) != 0;
	int form = alu_form(d);

	if (d->to->dst == FRAME_POINTER)
		return refuse(d, 10, "the frame pointer r10 can't be written");
	if ((d->s->code & OPERATION) == 0xd0)
		return decode_end(d, wide);
	if ((d->s->code & OPERATION) == 0x80) {
		d->to->op = wide ? OP_NEG64 : OP_NEG32;
		return from_register || d->s->off || d->s->imm || d->to->src ? reserved(d) : 0;
	}
	if (form == VM_OPS)
		return unknown(d);
	if (form == OP_MOV64K && from_register && d->s->off)
		return decode_movsx(d, wide);
	if ((d->s->off && form != OP_SDIV64K && form != OP_SMOD64K) || (from_register ? d->s->imm != 0 : d->to->src != 0))
		return reserved(d);
	if (!from_register && is_division(form) && d->s->imm == 0)
		return refuse(d, 0, "division by the constant 0");
	if (!from_register && is_shift(form) && (d->s->imm < 0 || d->s->imm >= (wide ? 64 : 32)))
		return refuse(d, d->s->imm, "a shift by more bits than there are");
	d->to->op = (uint8_t)(form + (wide ? 0 : 2) + from_register);
	return 0;
}

/* Turns the distance from the next slot into one from this, which must lead to a whole instruction. */
static int set_target(const struct decoder *d, int64_t distance)
{
	int64_t target = d->at + 1 + distance;

	if (target < 0 || target >= d->code->n)
		return refuse(d, target, "a jump out of the program");
	d->to->off = (int32_t)(distance + 1);
	return 0;
}

static int decode_helper(const struct decoder *d)
{
	const struct vm_helper_row *row = NULL;
	int err;

	if (d->s->imm == VM_TAIL_CALL) {
		d->to->op = OP_TAIL;
		return 0;
	}
	err = vm_find_helper((uint32_t)d->s->imm, d->prog->type, &row);
	if (err == -ENOENT)
		return refuse(d, d->s->imm, "the embedded VM has no such helper function");
	if (err)
		return refuse(d, d->s->imm, "programs of this type can't call this helper function");
	d->to->op = *row->args ? OP_CHECKED : OP_HELPER;
	if (*row->args)
		d->to->row = row;
	else
		d->to->helper = row->fn;
	return 0;
}

static int decode_kfunc(const struct decoder *d)
{
	if (d->s->imm < 0 || (uint32_t)d->s->imm >= d->code->n_kfuncs)
		return refuse(d, d->s->imm, "a call of a kernel function that has no name");
	d->to->op = OP_HELPER;
	d->to->helper = vm_find_kfunc(d->code->kfuncs[d->s->imm]);
	return d->to->helper ? 0 : refuse(d, d->s->imm, "the embedded VM has no such kernel function");
}

static int decode_call(const struct decoder *d)
{
	if (d->s->off || d->to->dst)
		return reserved(d);
	switch (d->to->src) {
	case 0:
		return decode_helper(d);
	case CALL_LOCAL:
		d->to->op = OP_LOCAL;
		return set_target(d, d->s->imm);
	case CALL_KFUNC:
		return decode_kfunc(d);
	}
	return refuse(d, d->to->src, "unknown kind of call");
}

static int decode_jump(const struct decoder *d)
{
	int wide = (d->s->code & CLASS) == JMP, from_register = (d->s->code & SOURCE_X) != 0;
	static const uint8_t forms[16] = {
		VM_OPS, OP_JEQ64K, OP_JGT64K, OP_JGE64K, OP_JSET64K, OP_JNE64K, OP_JSGT64K, OP_JSGE64K,
		VM_OPS, VM_OPS, OP_JLT64K, OP_JLE64K, OP_JSLT64K, OP_JSLE64K, VM_OPS, VM_OPS,
	};
	uint8_t form = forms[d->s->code >> 4];

	switch (d->s->code) {
	case 0x05:
		d->to->op = OP_JA;
		return d->to->dst || d->to->src || d->s->imm ? reserved(d) : set_target(d, d->s->off);
	case 0x06:
		d->to->op = OP_JA;
		return d->to->dst || d->to->src || d->s->off ? reserved(d) : set_target(d, d->s->imm);
	case 0x85:
		return decode_call(d);
	case 0xe5:
		d->to->op = OP_MAY_GOTO;
		return d->to->dst || d->to->src || d->s->imm ? reserved(d) : set_target(d, d->s->off);
	case 0x95:
		d->to->op = OP_EXIT;
		return d->to->dst || d->to->src || d->s->off || d->s->imm ? reserved(d) : 0;
	}
	if (form == VM_OPS)
		return unknown(d);
	if (from_register ? d->s->imm != 0 : d->to->src != 0)
		return reserved(d);
	d->to->op = (uint8_t)(form + (wide ? 0 : 2) + from_register);
	return set_target(d, d->s->off);
}

/* 0, 1, 2, 3 for 1, 2, 4, 8 bytes. */
static int log_size(const struct decoder *d)
{
	static const uint8_t log[4] = { 2, 1, 0, 3 };

	return log[(d->s->code & SIZE) >> 3];
}

/* The kernel wants accesses of the stack aligned; by r10 itself that is seen before the program runs. */
static int check_alignment(const struct decoder *d, uint8_t base)
{
	if (base != FRAME_POINTER || d->s->off % (1 << log_size(d)) == 0)
		return 0;
	return refuse(d, d->s->off, "an access of the stack at an offset that is no multiple of its size");
}

static int decode_load(const struct decoder *d)
{
	int mode = d->s->code & MODE;

	if (d->to->dst == FRAME_POINTER)
		return refuse(d, 10, "the frame pointer r10 can't be written");
	if (d->s->imm)
		return reserved(d);
	if (mode == MODE_MEM)
		d->to->op = (uint8_t)(OP_LOAD8 + log_size(d));
	else if (mode == MODE_MEMSX && log_size(d) < 3)
		d->to->op = (uint8_t)(OP_LOADS8 + log_size(d));
	else
		return unknown(d);
	return check_alignment(d, d->to->src);
}

/* load_acquire and store_release: they don't change anything as atomic operations do, and have all four sizes. */
static int decode_ordered(const struct decoder *d)
{
	int is_load = d->s->imm == LOAD_ACQUIRE;

	if (is_load && d->to->dst == FRAME_POINTER)
		return refuse(d, 10, "the frame pointer r10 can't be written");
	d->to->op = (uint8_t)((is_load ? OP_ACQUIRE8 : OP_RELEASE8) + log_size(d));
	return check_alignment(d, is_load ? d->to->src : d->to->dst);
}

static int decode_atomic(const struct decoder *d)
{
	static const struct { int32_t imm; uint8_t op; } operations[] = {
		{ 0x00, OP_AADD64 }, { 0x40, OP_AOR64 }, { 0x50, OP_AAND64 }, { 0xa0, OP_AXOR64 },
		{ 0x01, OP_FADD64 }, { 0x41, OP_FOR64 }, { 0x51, OP_FAND64 }, { 0xa1, OP_FXOR64 },
		{ 0xe1, OP_XCHG64 }, { 0xf1, OP_CMPXCHG64 },
	};
	int fetches = (d->s->imm & 1) != 0;

	if (d->s->imm == LOAD_ACQUIRE || d->s->imm == STORE_RELEASE)
		return decode_ordered(d);
	if (log_size(d) < 2)
		return unknown(d);
	if (fetches && d->s->imm != 0xf1 && d->to->src == FRAME_POINTER)
		return refuse(d, 10, "the frame pointer r10 can't be written");
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		if (operations[i].imm != d->s->imm)
			continue;
		d->to->op = (uint8_t)(operations[i].op + (log_size(d) == 2));
		return check_alignment(d, d->to->dst);
	}
	return refuse(d, d->s->imm, "unknown atomic operation");
}

static int decode_store(const struct decoder *d)
{
	int from_register = (d->s->code & CLASS) == STX;

	if (from_register && (d->s->code & MODE) == MODE_ATOMIC)
		return decode_atomic(d);
	if ((d->s->code & MODE) != MODE_MEM)
		return unknown(d);
	if (from_register ? d->s->imm != 0 : d->to->src != 0)
		return reserved(d);
	d->to->op = (uint8_t)((from_register ? OP_STORE8 : OP_PUT8) + log_size(d));
	return check_alignment(d, d->to->dst);
}

static int decode_map(const struct decoder *d, uint32_t offset)
{
	struct vm_map *map;

	if (d->s->imm < 0 || (uint32_t)d->s->imm >= d->prog->n_maps)
		return refuse(d, d->s->imm, "a map number without a map");
	map = d->prog->maps[d->s->imm];
	if (d->to->src == PSEUDO_MAP_FD) {
		d->to->imm = (int64_t)p2b_ptr(map);
		return offset ? reserved(d) : 0;
	}
	if (!(map->abilities & VM_CAN_ADDRESS) || map->max_entries != 1 || offset >= map->value_size)
		return refuse(d, offset, "an address inside the value of a map that has no such place");
	d->to->imm = (int64_t)(p2b_ptr(vm_map_find(map, &(uint32_t){ 0 }, 0)) + offset);
	return 0;
}

static int decode_wide(const struct decoder *d)
{
	const struct slot *next = d->s + 1;

	if (d->at + 1 >= d->code->n)
		return refuse(d, d->at, "a two-slot instruction is cut off at the end");
	if (d->to->dst == FRAME_POINTER)
		return refuse(d, 10, "the frame pointer r10 can't be written");
	if (next->code || next->regs || next->off || d->s->off)
		return reserved(d);
	d->to->op = OP_LD64;
	d->to[1] = (struct vm_insn){ .op = OP_SECOND };
	switch (d->to->src) {
	case 0:
		d->to->imm = (int64_t)((uint64_t)(uint32_t)next->imm << 32 | (uint32_t)d->s->imm);
		return 0;
	case PSEUDO_MAP_FD:
	case PSEUDO_MAP_VALUE:
		return decode_map(d, (uint32_t)next->imm);
	case PSEUDO_FUNC:
		if (next->imm)
			return reserved(d);
		if (set_target(d, d->s->imm))
			return -EINVAL;
		d->to->imm = (int64_t)p2b_ptr(d->to + d->to->off);
		return 0;
	}
	return refuse(d, d->to->src, "unknown kind of 64-bit constant");
}

static int decode_packet_load(const struct decoder *d)
{
	int indirect = (d->s->code & MODE) == MODE_IND;

	if (((d->s->code & MODE) != MODE_ABS && !indirect) || log_size(d) == 3)
		return unknown(d);
	if (d->to->dst || d->s->off || (!indirect && d->to->src))
		return reserved(d);
	if (d->prog->class != VM_SKB)
		return refuse(d, d->s->code, "programs of this type can't load from a packet with this instruction");
	d->to->op = (uint8_t)((indirect ? OP_IND8 : OP_ABS8) + log_size(d));
	return 0;
}

static int decode_one(struct decoder *d)
{
	static const uint8_t swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	uint8_t low = d->s->regs & 15, high = d->s->regs >> 4;

	*d->to = (struct vm_insn){ .dst = swapped ? high : low, .src = swapped ? low : high, .off = d->s->off,
				   .imm = d->s->imm };
	if (d->to->dst > FRAME_POINTER || d->to->src > FRAME_POINTER)
		return refuse(d, d->to->dst > FRAME_POINTER ? d->to->dst : d->to->src, "no such register");
	switch (d->s->code & CLASS) {
	case LD:
		return d->s->code == CODE_LD64 ? decode_wide(d) : decode_packet_load(d);
	case LDX:
		return decode_load(d);
	case ST:
	case STX:
		return decode_store(d);
	case JMP:
	case JMP32:
		return decode_jump(d);
	default:
		return decode_alu(d);
	}
}

static int is_jump(const struct vm_insn *insn)
{
	return insn->op == OP_JA || insn->op == OP_MAY_GOTO || (insn->op >= OP_JEQ64K && insn->op <= OP_JSLE32X);
}

static int names_subprogram(const struct decoder *d)
{
	return d->to->op == OP_LOCAL || (d->to->op == OP_LD64 && d->to->src == PSEUDO_FUNC);
}

static int mark_starts(struct decoder *d)
{
	struct vm_insn *insns = d->prog->insns;

	insns[0].start = 1;
	for (d->at = 0; d->at < d->code->n; d->at++) {
		d->s = &d->code->slots[d->at];
		d->to = &insns[d->at];
		if (!names_subprogram(d) && !is_jump(d->to))
			continue;
		if (d->to[d->to->off].op == OP_SECOND)
			return refuse(d, d->at + d->to->off, "a jump into the middle of an instruction");
		if (names_subprogram(d))
			d->to[d->to->off].start = 1;
	}
	return 0;
}

/* Jumps stay in their subprogram, and none runs on into the next. */
static int check_bounds(struct decoder *d)
{
	struct vm_insn *insns = d->prog->insns;
	uint32_t n = d->code->n, begin = 0, end = 0, functions = 0;

	for (d->at = 0; d->at < n; d->at++) {
		d->to = &insns[d->at];
		if (d->to->start)
			for (begin = d->at, end = begin + 1; end < n && !insns[end].start; end++)
				;
		functions += d->to->start;
		if (functions > FUNCTIONS_MAX)
			return refuse(d, functions, "a program of more than 256 functions");
		if (is_jump(d->to) && (d->at + d->to->off < begin || d->at + d->to->off >= end))
			return refuse(d, d->at + d->to->off, "a jump out of the function");
		if (d->at == end - 1 && d->to->op != OP_EXIT && d->to->op != OP_JA)
			return refuse(d, d->at, "the function's last instruction is neither a jump nor an exit");
	}
	return 0;
}

int vm_decode(struct p2b_vm_prog *prog, const struct vm_code *code)
{
	struct decoder d = { .prog = prog, .code = code };

	if (code->n == 0)
		return refuse(&d, 0, "a program without instructions");
	for (; d.at < code->n; d.at++) {
		int err;

		d.s = &code->slots[d.at];
		d.to = &prog->insns[d.at];
		err = decode_one(&d);
		if (err)
			return err;
		d.at += d.to->op == OP_LD64;
	}
	if (mark_starts(&d))
		return -EINVAL;
	return check_bounds(&d);
}
