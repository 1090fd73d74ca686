/*
 * Encodes symbolic instructions as the kernel's 8-byte slots, in two passes: the first finds where every instruction
 * and label begins, the second writes. Sizes don't depend on distances, so two passes are enough. Layout: RFC 9669,
 * section 3.
 */
#include "common/core.h"

enum {
	CODE_GOTO = 0x05,       /* JMP | JA, 16-bit offset */
	CODE_GOTO_FAR = 0x06,   /* JMP32 | JA, offset in imm */
	LAST_REGISTER = 10,
};

struct label {
	int32_t number;
	uint32_t slot;
	uint32_t index;
};

struct encoder {
	const struct p2b_sym *syms;
	uint32_t n, n_slots, n_labels;
	struct label *labels;   /* sorted by number once the first pass is over */
	struct slot *out;
	struct p2b_fault *fault;
};

static int fail(struct encoder *e, int error, uint32_t index, int64_t value, const char *what)
{
	*e->fault = (struct p2b_fault){ .index = index, .value = value, .what = what };
	return -error;
}

static uint32_t width(const struct p2b_sym *s)
{
	switch (s->kind) {
	case P2B_LABEL:
		return 0;
	case P2B_LD64:
	case P2B_LD_MAP:
	case P2B_LD_MAP_VALUE:
	case P2B_LD_FUNC:
		return 2;
	default:
		return 1;
	}
}

static int by_number(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* First pass: places every instruction, collects the labels. */
static int place(struct encoder *e, uint32_t cap, uint32_t *slot_of)
{
	for (uint32_t i = 0; i < e->n; i++) {
		const struct p2b_sym *s = &e->syms[i];

		if (s->kind > P2B_CALL_KFUNC)
			return fail(e, EINVAL, i, s->kind, "unknown kind of instruction");
		if (slot_of)
			slot_of[i] = e->n_slots;
		if (s->kind == P2B_LABEL)
			e->labels[e->n_labels++] = (struct label){ s->ref, e->n_slots, i };
		e->n_slots += width(s);
		if (e->n_slots > cap)
			return fail(e, ENOSPC, i, cap, "more slots than there is room for");
	}
	qsort(e->labels, e->n_labels, sizeof(*e->labels), by_number);
	for (uint32_t i = 1; i < e->n_labels; i++) {
		const struct label *a = &e->labels[i - 1], *b = &e->labels[i];

		if (a->number == b->number)
			return fail(e, EINVAL, a->index > b->index ? a->index : b->index, b->number,
				    "label defined twice");
	}
	return 0;
}

/* The distance from the end of slot at to the label of s. */
static int distance(struct encoder *e, const struct p2b_sym *s, uint32_t at, int32_t *ret)
{
	const struct label key = { .number = s->ref };
	const struct label *found = NULL;
	uint32_t index = (uint32_t)(s - e->syms);

	if (e->n_labels)
		found = bsearch(&key, e->labels, e->n_labels, sizeof(key), by_number);
	if (!found)
		return fail(e, EINVAL, index, s->ref, "jump to a label that is not defined");
	if (found->slot >= e->n_slots)
		return fail(e, EINVAL, index, s->ref, "jump to a label behind the last instruction");
	*ret = (int32_t)found->slot - (int32_t)at - 1;
	return 0;
}

static struct slot basic(const struct p2b_sym *s)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	uint8_t regs = (uint8_t)(s->dst << 4 | s->src);
#else
	uint8_t regs = (uint8_t)(s->src << 4 | s->dst);
#endif
	return (struct slot){ s->code, regs, s->off, (int32_t)s->imm };
}

static int write_jump(struct encoder *e, const struct p2b_sym *s, uint32_t at)
{
	struct slot *out = &e->out[at];
	int32_t far;
	int err = distance(e, s, at, &far);

	if (err)
		return err;
	*out = basic(s);
	out->off = (int16_t)far;
	if (far >= INT16_MIN && far <= INT16_MAX)
		return 0;
	if (s->code != CODE_GOTO)
		return fail(e, ERANGE, (uint32_t)(s - e->syms), far,
			    "a conditional jump reaches 32767 instructions at most");
	*out = (struct slot){ .code = CODE_GOTO_FAR, .imm = far };
	return 0;
}

static int write_call(struct encoder *e, const struct p2b_sym *s, uint32_t at)
{
	struct p2b_sym call = { .code = CODE_CALL, .src = PSEUDO_CALL };
	int32_t far;
	int err = distance(e, s, at, &far);

	if (err)
		return err;
	call.imm = far;
	e->out[at] = basic(&call);
	return 0;
}

static void write_wide(struct slot *out, const struct p2b_sym *s, uint8_t pseudo, uint64_t value)
{
	struct p2b_sym first = { .code = CODE_LD64, .dst = s->dst, .src = pseudo };

	out[0] = basic(&first);
	out[0].imm = (int32_t)(uint32_t)value;
	out[1] = (struct slot){ .imm = (int32_t)(uint32_t)(value >> 32) };
}

/* A function's address as a helper's argument: encoded with the same distance as a call from the first slot. */
static int write_function(struct encoder *e, const struct p2b_sym *s, uint32_t at)
{
	int32_t far;
	int err = distance(e, s, at, &far);

	if (err)
		return err;
	write_wide(&e->out[at], s, PSEUDO_FUNC, (uint32_t)far);
	return 0;
}

static int write_kfunc(struct encoder *e, const struct p2b_sym *s, uint32_t at)
{
	struct p2b_sym call = { .code = CODE_CALL, .src = PSEUDO_KFUNC_CALL, .imm = s->ref };

	if (s->ref < 0)
		return fail(e, EINVAL, (uint32_t)(s - e->syms), s->ref, "negative number of a kernel function");
	e->out[at] = basic(&call);
	return 0;
}

static int write_plain(struct encoder *e, const struct p2b_sym *s, uint32_t at)
{
	uint32_t index = (uint32_t)(s - e->syms);

	if (s->code == CODE_LD64 || s->code == 0)
		return fail(e, EINVAL, index, s->code, "not a one-slot instruction");
	e->out[at] = basic(s);
	return 0;
}

static int write_one(struct encoder *e, const struct p2b_sym *s, uint32_t at)
{
	uint32_t index = (uint32_t)(s - e->syms);

	if (s->kind == P2B_LABEL)
		return 0;
	if (s->dst > LAST_REGISTER || s->src > LAST_REGISTER)
		return fail(e, EINVAL, index, s->dst > LAST_REGISTER ? s->dst : s->src, "no such register");
	if (s->kind != P2B_LD64 && (s->imm < INT32_MIN || s->imm > INT32_MAX))
		return fail(e, ERANGE, index, s->imm, "immediate does not fit 32 bits");
	switch (s->kind) {
	case P2B_JUMP:
		return write_jump(e, s, at);
	case P2B_CALL_LOCAL:
		return write_call(e, s, at);
	case P2B_LD_FUNC:
		return write_function(e, s, at);
	case P2B_CALL_KFUNC:
		return write_kfunc(e, s, at);
	case P2B_LD64:
		write_wide(&e->out[at], s, 0, (uint64_t)s->imm);
		return 0;
	case P2B_LD_MAP:
	case P2B_LD_MAP_VALUE:
		if (s->ref < 0)
			return fail(e, EINVAL, index, s->ref, "negative map number");
		write_wide(&e->out[at], s, s->kind == P2B_LD_MAP ? PSEUDO_MAP_FD : PSEUDO_MAP_VALUE,
			   (uint32_t)s->ref | (uint64_t)(s->kind == P2B_LD_MAP ? 0 : s->imm) << 32);
		return 0;
	default:
		return write_plain(e, s, at);
	}
}

/* Second pass. */
static int write_all(struct encoder *e)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < e->n; i++) {
		int err = write_one(e, &e->syms[i], at);

		if (err)
			return err;
		at += width(&e->syms[i]);
	}
	return 0;
}

int p2b_encode(const struct p2b_sym *syms, uint32_t n, void *out, uint32_t cap, uint32_t *slot_of,
	       struct p2b_fault *fault)
{
	struct encoder e = { .syms = syms, .n = n, .out = out, .fault = fault };
	int err;

	*fault = (struct p2b_fault){ 0 };
	if (n > INT32_MAX / 2)
		return fail(&e, E2BIG, 0, n, "too many instructions");
	e.labels = malloc(((size_t)n + 1) * sizeof(*e.labels));
	if (!e.labels)
		return fail(&e, ENOMEM, 0, n, "no memory for the labels");
	err = place(&e, cap, slot_of);
	if (!err)
		err = write_all(&e);
	free(e.labels);
	return err ? err : (int)e.n_slots;
}
