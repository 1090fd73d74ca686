/* What the decoder's files share: the current instruction, and refusing it. */
#ifndef P2B_VM_DECODE_H
#define P2B_VM_DECODE_H

#include "vm/isa.h"

/* The parts of an instruction's code. */
enum { CLASS = 7, LD = 0, LDX, ST, STX, ALU, JMP, JMP32, ALU64 };
enum { SOURCE_X = 8, SIZE = 0x18, MODE = 0xe0, OPERATION = 0xf0 };
enum { VM_FRAME_POINTER = 10 };

struct vm_decoder {
	struct p2b_vm_prog *prog;
	const struct vm_code *code;
	uint32_t at;
	const struct slot *s;
	struct vm_insn *to;
};

/* Ends decoding with a fault; returns -EINVAL. */
static inline int refuse(const struct vm_decoder *d, int64_t value, const char *what)
{
	*d->code->fault = (struct p2b_fault){ .index = d->at, .value = value, .what = what };
	return -EINVAL;
}

static inline int unknown(const struct vm_decoder *d)
{
	return refuse(d, d->s->code, "unknown instruction");
}

static inline int reserved(const struct vm_decoder *d)
{
	return refuse(d, d->s->code, "a field that this instruction doesn't use is not zero");
}

/* Converts the distance from the next slot to one from this slot; the target must be a whole instruction. */
static inline int set_target(const struct vm_decoder *d, int64_t distance)
{
	int64_t target = d->at + 1 + distance;

	if (target < 0 || target >= d->code->n)
		return refuse(d, target, "a jump out of the program");
	d->to->off = (int32_t)(distance + 1);
	return 0;
}

/* Each decodes one instruction of its class: 0, or refuse()'s result. */
int vm_decode_alu(const struct vm_decoder *d);
int vm_decode_jump(const struct vm_decoder *d);
int vm_decode_load(const struct vm_decoder *d);
int vm_decode_store(const struct vm_decoder *d);
int vm_decode_wide(const struct vm_decoder *d);
int vm_decode_packet_load(const struct vm_decoder *d);

#endif
