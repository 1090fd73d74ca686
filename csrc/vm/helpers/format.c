/*
 * The formats of bpf_trace_printk and bpf_snprintf: bpf_bprintf_prepare in kernel/bpf/helpers.c, lib/vsprintf.c. As in
 * the kernel, all strings are read before anything is written, since they may lie in the output's memory.
 */
#include "vm/helpers/helpers.h"

enum { ARGUMENTS_MAX = 512 };   /* MAX_BPRINTF_BIN_ARGS: bytes of all arguments */

/* One conversion: its flags, width and letter (p: a pointer; k: a text by %pks or %pus), and its argument's bytes. */
struct conversion {
	int left, zeros, plus, space;
	uint64_t width;
	uint32_t bytes;
	char letter;
};

/* A format as it is read: either text of size bytes at begin, or a conversion. */
struct reader {
	const char *format;
	uint64_t at, end;
	const char *begin;
	uint64_t size;
	struct conversion c;
};

/* As the kernel's isspace(): characters above 127 are Latin-1. */
static int is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0;
}

static int is_punctuation(uint8_t c)
{
	if (c > 127)
		return (c > 0xa0 && c < 0xc0) || c == 0xd7 || c == 0xf7;
	return c > ' ' && c < 127 && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The next character; NUL after the format's end. */
static uint8_t peek(const struct reader *r)
{
	return r->at < r->end ? (uint8_t)r->format[r->at] : 0;
}

static int ends_word(const struct reader *r)
{
	return !peek(r) || is_space(peek(r)) || is_punctuation(peek(r));
}

static void read_flags(struct reader *r)
{
	struct conversion *c = &r->c;

	for (;; r->at++) {
		switch (peek(r)) {
		case '-': c->left = 1; break;
		case '0': c->zeros = 1; break;
		case '+': c->plus = 1; break;
		case ' ': c->space = 1; break;
		default: return;
		}
	}
}

static void read_width(struct reader *r)
{
	for (; peek(r) >= '0' && peek(r) <= '9'; r->at++)
		if (r->c.width < INT32_MAX)
			r->c.width = r->c.width * 10 + (uint64_t)(peek(r) - '0');
}

/* Reads the kind of a pointer after %p; only numbers and strings are supported. */
static int read_pointer(struct reader *r)
{
	uint8_t kind = peek(r);

	r->c.bytes = 8;
	if (ends_word(r))
		return 0;
	r->at++;
	if (kind == 'K' || kind == 'x' || kind == 's' || kind == 'S')
		return 0;
	if ((kind != 'k' && kind != 'u') || peek(r) != 's')
		return -EINVAL;
	r->at++;
	r->c.letter = 'k';
	r->c.bytes = 0;
	return ends_word(r) ? 0 : -EINVAL;
}

static int read_number(struct reader *r)
{
	r->c.bytes = 4;
	for (int i = 0; i < 2 && r->c.letter == 'l'; i++) {
		r->c.bytes = 8;
		r->c.letter = (char)peek(r);
		r->at++;
	}
	return r->c.letter && strchr("diuxX", r->c.letter) ? 0 : -EINVAL;
}

static int read_conversion(struct reader *r)
{
	r->c = (struct conversion){ 0 };
	read_flags(r);
	read_width(r);
	r->c.letter = (char)peek(r);
	r->at++;
	switch (r->c.letter) {
	case 'p':
		return read_pointer(r);
	case 's':
		return ends_word(r) ? 0 : -EINVAL;
	case 'c':
		return 0;
	}
	return read_number(r);
}

/* Reads the next piece: 1, 0 at the end, or -EINVAL. A piece of size 0 is a conversion. */
static int next_piece(struct reader *r)
{
	uint8_t c = peek(r);

	if (r->at >= r->end)
		return 0;
	r->begin = r->format + r->at++;
	r->size = 1;
	if (!is_space(c) && (c < ' ' || c == 127))
		return -EINVAL;
	if (c != '%')
		return 1;
	if (peek(r) == '%') {
		r->at++;
		return 1;
	}
	r->size = 0;
	return read_conversion(r) ? -EINVAL : 1;
}

/* ---- Arguments: the strings among them are copied, all count as many bytes as in the kernel's buffer ------------- */

struct arguments {
	const uint64_t *numbers;
	uint32_t n, used;
	uint32_t full;          /* of the kernel's buffer */
	uint32_t stored;        /* of texts */
	char texts[ARGUMENTS_MAX];
};

/* Copies a string; unreadable memory counts as an empty one. */
static void take_text(struct vm_state *s, struct arguments *a, uint64_t addr)
{
	const char *from = (const char *)(uintptr_t)addr;
	uint64_t n = vm_readable(s, addr, ARGUMENTS_MAX - a->full - 1);

	if (n) {
		n = strnlen(from, n);
		memcpy(a->texts + a->stored, from, n);
	}
	a->texts[a->stored + n] = 0;
	a->stored += (uint32_t)n + 1;
	a->full += (uint32_t)n + 1;
}

static int take_argument(struct vm_state *s, struct arguments *a, const struct conversion *c)
{
	uint64_t value;

	if (a->used >= a->n)
		return -EINVAL;
	value = a->numbers[a->used++];
	if (c->bytes)
		a->full = (a->full + 3) & ~3u;
	if (a->full + (c->bytes ? c->bytes : 1) > ARGUMENTS_MAX)
		return -ENOSPC;
	if (c->letter == 's' || c->letter == 'k')
		take_text(s, a, value);
	else
		a->full += c->bytes ? c->bytes : 1;
	return 0;
}

/* Reads the whole format and its arguments, before there is any output. */
static int take_arguments(struct vm_state *s, struct reader r, struct arguments *a)
{
	int more;

	while ((more = next_piece(&r)) > 0) {
		int err = r.size ? 0 : take_argument(s, a, &r.c);

		if (err)
			return err;
	}
	return more;
}

/* ---- Output ---------------------------------------------------------------------------------------------------- */

struct writer {
	char *out;
	uint64_t size, length;  /* size: of out, with room for the NUL */
};

/* How many of size bytes fit. */
static uint64_t fitting(const struct writer *w, uint64_t size)
{
	uint64_t room = w->length + 1 < w->size ? w->size - 1 - w->length : 0;

	return size < room ? size : room;
}

static void put(struct writer *w, const char *text, uint64_t size)
{
	uint64_t n = fitting(w, size);

	if (n)
		memcpy(w->out + w->length, text, n);
	w->length += size;
}

static void fill(struct writer *w, char with, uint64_t count)
{
	uint64_t n = fitting(w, count);

	if (n)
		memset(w->out + w->length, with, n);
	w->length += count;
}

/* A sign (or none) and text, in the conversion's width. */
static void put_field(struct writer *w, const struct conversion *c, char sign, const char *text, uint64_t size)
{
	uint64_t all = size + (sign != 0), rest = c->width > all ? c->width - all : 0;

	if (!c->left && !c->zeros)
		fill(w, ' ', rest);
	if (sign)
		put(w, &sign, 1);
	if (!c->left && c->zeros)
		fill(w, '0', rest);
	put(w, text, size);
	if (c->left)
		fill(w, ' ', rest);
}

static void put_number(struct writer *w, const struct conversion *c, uint64_t value)
{
	const char *digits = c->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	int is_signed = c->letter == 'd' || c->letter == 'i', negative;
	uint32_t base = c->letter == 'x' || c->letter == 'X' ? 16 : 10;
	char text[20], *at = text + sizeof(text), sign = 0;

	if (c->bytes == 4)
		value = is_signed ? (uint64_t)(int64_t)(int32_t)value : (uint32_t)value;
	negative = is_signed && (int64_t)value < 0;
	value = negative ? 0 - value : value;
	if (is_signed)
		sign = negative ? '-' : c->plus ? '+' : c->space ? ' ' : 0;
	do {
		*--at = digits[value % base];
		value /= base;
	} while (value);
	put_field(w, c, sign, at, (uint64_t)(text + sizeof(text) - at));
}

/* The kernel hides most pointers; these are shown. */
static void put_pointer(struct writer *w, struct conversion c, uint64_t value)
{
	c.letter = 'x';
	if (!c.width) {
		c.width = 16;
		c.zeros = 1;
	}
	put_number(w, &c, value);
}

static void put_text(struct writer *w, struct conversion c, const char *text, uint64_t size)
{
	c.zeros = 0;
	put_field(w, &c, 0, text, size);
}

/* Returns the next text; the same one if the output was full already, as in the kernel. */
static const char *put_pointed(struct writer *w, const char *text)
{
	if (w->length >= w->size)
		return text;
	put(w, text, strlen(text));
	return text + strlen(text) + 1;
}

/* Returns the next text. */
static const char *put_conversion(struct writer *w, const struct conversion *c, uint64_t value, const char *text)
{
	char one = (char)value;

	if (c->letter == 'k')
		return put_pointed(w, text);
	if (c->letter == 's') {
		put_text(w, *c, text, strlen(text));
		return text + strlen(text) + 1;
	}
	if (c->letter == 'c')
		put_text(w, *c, &one, 1);
	else if (c->letter == 'p')
		put_pointer(w, *c, value);
	else
		put_number(w, c, value);
	return text;
}

int64_t vm_format(struct vm_state *s, char *out, uint64_t cap, const char *format, uint64_t n_format,
		  const uint64_t *args, uint32_t n_args)
{
	struct reader r = { .format = format, .end = strnlen(format, n_format) };
	struct arguments a = { .numbers = args, .n = n_args };
	struct writer w = { out, cap, 0 };
	int err = take_arguments(s, r, &a);
	const char *text = a.texts;

	if (err)
		return err;
	while (next_piece(&r)) {
		if (r.size)
			put(&w, r.begin, r.size);
		else
			text = put_conversion(&w, &r.c, *args++, text);
	}
	if (cap)
		out[w.length < cap ? w.length : cap - 1] = 0;
	vm_charge(s, r.end + (w.length < cap ? w.length : cap));
	return (int64_t)w.length;
}
