/* Decodes loads, stores, atomic operations, and the instructions of two slots, which load addresses. */
#include "vm/decode.h"

enum { MODE_ABS = 0x20, MODE_IND = 0x40, MODE_MEM = 0x60, MODE_MEMSX = 0x80, MODE_ATOMIC = 0xc0 };
enum { LOAD_ACQUIRE = 0x100, STORE_RELEASE = 0x110 };

/* 0, 1, 2, 3 for 1, 2, 4, 8 bytes. */
static int log_size(const struct vm_decoder *d)
{
	static const uint8_t log[4] = { 2, 1, 0, 3 };

	return log[(d->s->code & SIZE) >> 3];
}

/* The kernel wants aligned accesses of the stack; those relative to r10 are checked before the program runs. */
static int check_alignment(const struct vm_decoder *d, uint8_t base)
{
	if (base != VM_FRAME_POINTER || d->s->off % (1 << log_size(d)) == 0)
		return 0;
	return refuse(d, d->s->off, "an access of the stack at an offset that is no multiple of its size");
}

int vm_decode_load(const struct vm_decoder *d)
{
	int mode = d->s->code & MODE;

	if (d->to->dst == VM_FRAME_POINTER)
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

/* load_acquire and store_release: unlike atomic operations, they only load or store, and have all four sizes. */
static int decode_ordered(const struct vm_decoder *d)
{
	int is_load = d->s->imm == LOAD_ACQUIRE;

	if (is_load && d->to->dst == VM_FRAME_POINTER)
		return refuse(d, 10, "the frame pointer r10 can't be written");
	d->to->op = (uint8_t)((is_load ? OP_ACQUIRE8 : OP_RELEASE8) + log_size(d));
	return check_alignment(d, is_load ? d->to->src : d->to->dst);
}

static int decode_atomic(const struct vm_decoder *d)
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
	if (fetches && d->s->imm != 0xf1 && d->to->src == VM_FRAME_POINTER)
		return refuse(d, 10, "the frame pointer r10 can't be written");
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		if (operations[i].imm != d->s->imm)
			continue;
		d->to->op = (uint8_t)(operations[i].op + (log_size(d) == 2));
		return check_alignment(d, d->to->dst);
	}
	return refuse(d, d->s->imm, "unknown atomic operation");
}

int vm_decode_store(const struct vm_decoder *d)
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

static int decode_map(const struct vm_decoder *d, uint32_t offset)
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

int vm_decode_wide(const struct vm_decoder *d)
{
	const struct slot *next = d->s + 1;

	if (d->at + 1 >= d->code->n)
		return refuse(d, d->at, "a two-slot instruction is cut off at the end");
	if (d->to->dst == VM_FRAME_POINTER)
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

int vm_decode_packet_load(const struct vm_decoder *d)
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
