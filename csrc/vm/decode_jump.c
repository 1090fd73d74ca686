/* Decodes jumps and calls. */
#include "vm/decode.h"

enum { CALL_LOCAL = 1, CALL_KFUNC = 2 };

static int decode_helper(const struct vm_decoder *d)
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

static int decode_kfunc(const struct vm_decoder *d)
{
	if (d->s->imm < 0 || (uint32_t)d->s->imm >= d->code->n_kfuncs)
		return refuse(d, d->s->imm, "a call of a kernel function that has no name");
	d->to->op = OP_HELPER;
	d->to->helper = vm_find_kfunc(d->code->kfuncs[d->s->imm]);
	return d->to->helper ? 0 : refuse(d, d->s->imm, "the embedded VM has no such kernel function");
}

static int decode_call(const struct vm_decoder *d)
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

int vm_decode_jump(const struct vm_decoder *d)
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
