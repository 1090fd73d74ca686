/* Text that programs make: the kernel's formats (bpf_bprintf_prepare in kernel/bpf/helpers.c), and where it goes. */
#include <stdio.h>

#include "vm_state.h"

enum { TRACE_MAX = 1 << 20 };

struct writer {
	char *out;
	uint64_t cap, length;
};

static void put(struct writer *w, const char *text, uint64_t size)
{
	if (w->length < w->cap) {
		uint64_t room = w->cap - w->length;

		memcpy(w->out + w->length, text, size < room ? size : room);
	}
	w->length += size;
}

/* One conversion: flags and width as they stand, then the number of bytes of the argument, then what it shows. */
struct conversion {
	char spec[16];
	uint32_t n_spec;
	uint32_t bytes;
	char letter;
};

static int is_flag(char c)
{
	return c == '0' || c == '+' || c == '-' || c == ' ' || c == '#';
}

/* Reads a conversion behind its %; returns how many characters it has, 0 when the kernel refuses it. */
static uint64_t parse(const char *at, uint64_t left, struct conversion *c)
{
	uint64_t i = 0;

	*c = (struct conversion){ .bytes = 4 };
	c->spec[c->n_spec++] = '%';
	while (i < left && (is_flag(at[i]) || (at[i] >= '0' && at[i] <= '9'))) {
		if (c->n_spec > 6)
			return 0;
		c->spec[c->n_spec++] = at[i++];
	}
	while (i < left && at[i] == 'l') {
		c->bytes = 8;
		i++;
	}
	if (i >= left)
		return 0;
	c->letter = at[i++];
	if (c->letter == 'p')
		while (i < left && (at[i] == 'k' || at[i] == 'u' || at[i] == 'x' || at[i] == 's')) {
			if (at[i] == 's')
				c->letter = 's';
			i++;
		}
	return i;
}

static uint64_t finish(struct conversion *c, const char *tail)
{
	size_t n = strlen(tail);

	memcpy(c->spec + c->n_spec, tail, n + 1);
	return n;
}

/* A number's text; 40 characters hold any with a width below 10^5, which is cut. */
static void put_number(struct writer *w, struct conversion *c, uint64_t value)
{
	char tail[4] = { 'l', 'l', c->letter, 0 }, text[128];
	int is_signed = c->letter == 'd' || c->letter == 'i', n;

	if (c->bytes == 4)
		value = is_signed ? (uint64_t)(int64_t)(int32_t)value : (uint32_t)value;
	finish(c, tail);
	n = snprintf(text, sizeof(text), c->spec, (long long)value);
	if (n > 0)
		put(w, text, (uint64_t)n < sizeof(text) ? (uint64_t)n : sizeof(text) - 1);
}

static void put_string(struct vm_state *s, struct writer *w, uint64_t addr)
{
	uint64_t n = vm_readable(s, addr, 512);
	const char *text = (const char *)(uintptr_t)addr;

	if (n)
		put(w, text, strnlen(text, n));
	else
		put(w, "", 0);
}

static int put_conversion(struct vm_state *s, struct writer *w, struct conversion *c, uint64_t value)
{
	char one = (char)value;

	switch (c->letter) {
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
		put_number(w, c, value);
		return 0;
	case 'c':
		put(w, &one, 1);
		return 0;
	case 's':
		put_string(s, w, value);
		return 0;
	case 'p':
		memcpy(c->spec, "%016", 4);
		c->n_spec = 4;
		c->letter = 'x';
		c->bytes = 8;
		put_number(w, c, value);
		return 0;
	}
	return -EINVAL;
}

int64_t vm_format(struct vm_state *s, char *out, uint64_t cap, const char *format, uint64_t n_format,
		  const uint64_t *args, uint32_t n_args)
{
	struct writer w = { out, cap ? cap - 1 : 0, 0 };
	uint64_t end = strnlen(format, n_format);
	uint32_t used = 0;

	for (uint64_t i = 0; i < end; i++) {
		struct conversion c;
		uint64_t n;

		if ((format[i] & 0x80) || (format[i] < 32 && format[i] != '\n' && format[i] != '\t'))
			return -EINVAL;
		if (format[i] != '%') {
			put(&w, &format[i], 1);
			continue;
		}
		if (i + 1 < end && format[i + 1] == '%') {
			put(&w, "%", 1);
			i++;
			continue;
		}
		n = parse(format + i + 1, end - i - 1, &c);
		if (n == 0 || used >= n_args || put_conversion(s, &w, &c, args[used++]))
			return -EINVAL;
		i += n;
	}
	if (cap)
		out[w.length < cap ? w.length : cap - 1] = 0;
	return (int64_t)w.length;
}

void vm_trace_line(struct p2b_vm *vm, const char *text, uint64_t size)
{
	struct vm_trace *t = &vm->trace;
	int ends = size && text[size - 1] == '\n';

	if (t->used + size + 1 > TRACE_MAX) {
		t->lost++;
		return;
	}
	if (t->used + size + 1 > t->room) {
		size_t room = 2 * (t->used + size + 1);
		char *bigger = realloc(t->text, room);

		if (!bigger) {
			t->lost++;
			return;
		}
		t->text = bigger;
		t->room = room;
	}
	memcpy(t->text + t->used, text, size);
	t->used += size;
	if (!ends)
		t->text[t->used++] = '\n';
}

int64_t p2b_vm_trace(struct p2b_vm *vm, char *out, uint64_t cap, uint64_t *lost)
{
	struct vm_trace *t = &vm->trace;
	uint64_t n;

	vm_lock(vm);
	n = t->used < cap ? t->used : cap;
	if (n) {
		memcpy(out, t->text, n);
		memmove(t->text, t->text + n, t->used - n);
		t->used -= n;
	}
	*lost = t->lost;
	t->lost = 0;
	vm_unlock(vm);
	return (int64_t)n;
}
