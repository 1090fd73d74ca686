/* Decodes arithmetic, byte swaps and moves: check_alu_op in kernel/bpf/verifier.c. */
#include "vm/decode.h"

/* The first of the four forms of each operation, by the upper half of its code; 0 (an ALU form) where there is none. */
static int alu_form(const struct vm_decoder *d)
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

/* addr_space_cast: from and to address space 1, the program's arena, which is a kind of map that the VM lacks. */
static int decode_cast(const struct vm_decoder *d)
{
	if (d->s->imm != 1 && d->s->imm != 1 << 16)
		return refuse(d, d->s->imm, "a cast is from address space 1 to 0, or from 0 to 1");
	return refuse(d, d->s->imm, "a cast between address spaces needs an arena, and the embedded VM has none");
}

static int decode_movsx(const struct vm_decoder *d, int wide)
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

static int decode_end(const struct vm_decoder *d, int wide)
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

int vm_decode_alu(const struct vm_decoder *d)
{
	int wide = (d->s->code & CLASS) == ALU64, from_register = (d->s->code & SOURCE_X) != 0;
	int form = alu_form(d);

	if (d->to->dst == VM_FRAME_POINTER)
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
