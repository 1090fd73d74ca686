/*
 * Decodes slots to instructions, and refuses what the run loop doesn't check: unknown operations and registers,
 * reserved fields that aren't zero, jumps out of the (sub)program or into a wide instruction, a last instruction that
 * runs on. Follows RFC 9669 and kernel/bpf/verifier.c (check_subprogs, resolve_pseudo_ldimm64).
 */
#include "vm/decode.h"

enum { FUNCTIONS_MAX = 256 /* BPF_MAX_SUBPROGS */ };

static int decode_one(struct vm_decoder *d)
{
	static const uint8_t swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	uint8_t low = d->s->regs & 15, high = d->s->regs >> 4;

	*d->to = (struct vm_insn){ .dst = swapped ? high : low, .src = swapped ? low : high, .off = d->s->off,
				   .imm = d->s->imm };
	if (d->to->dst > VM_FRAME_POINTER || d->to->src > VM_FRAME_POINTER)
		return refuse(d, d->to->dst > VM_FRAME_POINTER ? d->to->dst : d->to->src, "no such register");
	switch (d->s->code & CLASS) {
	case LD:
		return d->s->code == CODE_LD64 ? vm_decode_wide(d) : vm_decode_packet_load(d);
	case LDX:
		return vm_decode_load(d);
	case ST:
	case STX:
		return vm_decode_store(d);
	case JMP:
	case JMP32:
		return vm_decode_jump(d);
	default:
		return vm_decode_alu(d);
	}
}

static int is_jump(const struct vm_insn *insn)
{
	return insn->op == OP_JA || insn->op == OP_MAY_GOTO || (insn->op >= OP_JEQ64K && insn->op <= OP_JSLE32X);
}

static int names_subprogram(const struct vm_decoder *d)
{
	return d->to->op == OP_LOCAL || (d->to->op == OP_LD64 && d->to->src == PSEUDO_FUNC);
}

static int mark_starts(struct vm_decoder *d)
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

/* Checks that jumps stay in their subprogram, and that no subprogram runs on into the next. */
static int check_bounds(struct vm_decoder *d)
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
	struct vm_decoder d = { .prog = prog, .code = code };

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
