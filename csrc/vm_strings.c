/* Helper functions on strings and foreign memory: kernel/trace/bpf_trace.c, kernel/bpf/helpers.c. */
#include <limits.h>

#include "vm_helpers.h"

enum { LINE_MAX_SIZE = 1024, PRINTK_ARGS = 3, VPRINTK_ARGS = 12 };

/* Reads only what is the program's own: all other addresses fault, as unmapped ones do in the kernel. */
uint64_t vm_probe_read(struct vm_state *s, const uint64_t *a)
{
	uint32_t size = (uint32_t)a[1];
	uint8_t *to = vm_argument(s, a[0], size, 1);

	if (!to || !size)
		return 0;
	if (vm_readable(s, a[2], size) < size) {
		memset(to, 0, size);
		return (uint64_t)-EFAULT;
	}
	memmove(to, (const void *)(uintptr_t)a[2], size);
	return 0;
}

uint64_t vm_probe_read_str(struct vm_state *s, const uint64_t *a)
{
	uint32_t size = (uint32_t)a[1];
	char *to = (char *)vm_argument(s, a[0], size, 1);
	const char *from = (const char *)(uintptr_t)a[2];
	uint64_t have, n;

	if (!to || !size)
		return 0;
	have = vm_readable(s, a[2], size);
	n = have ? strnlen(from, have) : 0;
	if (have == 0 || (n == have && have < size)) {
		memset(to, 0, size);
		return (uint64_t)-EFAULT;
	}
	n = n < size ? n : size - 1;
	memmove(to, from, n);
	to[n] = 0;
	return n + 1;
}

uint64_t vm_strncmp(struct vm_state *s, const uint64_t *a)
{
	uint32_t size = (uint32_t)a[1];
	const uint8_t *mine = vm_argument(s, a[0], size, 0);
	const uint8_t *other = (const uint8_t *)(uintptr_t)a[2];
	uint64_t have = vm_readable(s, a[2], size);

	if (!mine)
		return 0;
	for (uint32_t i = 0; i < size; i++) {
		if (i >= have)
			return vm_fault(s, a[2], "a string that has no end");
		if (mine[i] != other[i])
			return mine[i] < other[i] ? (uint64_t)-1 : 1;
		if (!mine[i])
			return 0;
	}
	return 0;
}

/* Digits in base 8, 10 or 16, or as their prefix says (base 0). Returns how many characters belong to the number. */
static int64_t digits(const char *text, uint64_t size, uint32_t base, int *negative, uint64_t *value)
{
	uint64_t i = 0, begin;

	while (i < size && (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r')))
		i++;
	*negative = i < size && text[i] == '-';
	i += *negative;
	if ((base == 0 || base == 16) && i + 2 < size && text[i] == '0' && (text[i + 1] | 32) == 'x') {
		base = 16;
		i += 2;
	} else if (base == 0) {
		base = i < size && text[i] == '0' ? 8 : 10;
	}
	*value = 0;
	for (begin = i; i < size; i++) {
		uint32_t digit = text[i] >= '0' && text[i] <= '9' ? (uint32_t)(text[i] - '0') :
				 (text[i] | 32) >= 'a' && (text[i] | 32) <= 'f' ? (uint32_t)((text[i] | 32) - 'a' + 10) : 16;

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(*value, base, value) || __builtin_add_overflow(*value, digit, value))
			return -ERANGE;
	}
	return i == begin ? -EINVAL : (int64_t)i;
}

static int64_t number(struct vm_state *s, const uint64_t *a, int is_signed)
{
	const char *text = (const char *)vm_argument(s, a[0], (uint32_t)a[1], 0);
	uint64_t *to = (uint64_t *)vm_argument(s, a[3], 8, 1), value;
	int negative;
	int64_t n;

	if (!text || !to)
		return 0;
	if (a[2] != 0 && a[2] != 8 && a[2] != 10 && a[2] != 16)
		return -EINVAL;
	n = digits(text, (uint32_t)a[1], (uint32_t)a[2], &negative, &value);
	if (n < 0)
		return n;
	if (!is_signed && negative)
		return -EINVAL;
	if (is_signed && value > (uint64_t)INT64_MAX + (uint64_t)negative)
		return -ERANGE;
	value = negative ? 0 - value : value;
	memcpy(to, &value, sizeof(value));
	return n;
}

uint64_t vm_strtol(struct vm_state *s, const uint64_t *a)
{
	return (uint64_t)number(s, a, 1);
}

uint64_t vm_strtoul(struct vm_state *s, const uint64_t *a)
{
	return (uint64_t)number(s, a, 0);
}

/* A format is a string: it ends within its memory. */
static const char *format_argument(struct vm_state *s, uint64_t addr, uint64_t max)
{
	uint64_t have = vm_readable(s, addr, max);
	const char *format = (const char *)(uintptr_t)addr;

	if (have && strnlen(format, have) < have)
		return format;
	vm_fault(s, addr, "a format string that has no end");
	return NULL;
}

/* Arguments in an array of size bytes: copied, since it may lie anywhere. The number of them, or -1. */
static int array_of(struct vm_state *s, uint64_t addr, uint64_t size, uint64_t *args)
{
	const uint8_t *data = vm_argument(s, addr, size, 0);

	if (!data || size % 8 || size > VPRINTK_ARGS * 8)
		return -1;
	memcpy(args, data, size);
	return (int)(size / 8);
}

uint64_t vm_snprintf(struct vm_state *s, const uint64_t *a)
{
	uint32_t cap = (uint32_t)a[1];
	char *to = (char *)vm_argument(s, a[0], cap, 1);
	const char *format = to ? format_argument(s, a[2], LINE_MAX_SIZE) : NULL;
	uint64_t args[VPRINTK_ARGS];
	int n = format ? array_of(s, a[3], (uint32_t)a[4], args) : -1;
	int64_t length;

	if (n < 0)
		return (uint64_t)-EINVAL;
	length = vm_format(s, to, cap, format, LINE_MAX_SIZE, args, (uint32_t)n);
	return (uint64_t)(length < 0 ? length : length + 1);
}

static uint64_t print(struct vm_state *s, const char *format, uint64_t size, const uint64_t *args, uint32_t n)
{
	char line[LINE_MAX_SIZE];
	int64_t length;

	if (size == 0 || format[size - 1])
		return (uint64_t)-EINVAL;
	length = vm_format(s, line, sizeof(line), format, size, args, n);
	if (length >= 0)
		vm_trace_line(s->vm, line, (uint64_t)length < sizeof(line) ? (uint64_t)length : sizeof(line) - 1);
	return (uint64_t)length;
}

uint64_t vm_trace_printk(struct vm_state *s, const uint64_t *a)
{
	const char *format = (const char *)vm_argument(s, a[0], (uint32_t)a[1], 0);

	return format ? print(s, format, (uint32_t)a[1], a + 2, PRINTK_ARGS) : 0;
}

uint64_t vm_trace_vprintk(struct vm_state *s, const uint64_t *a)
{
	const char *format = (const char *)vm_argument(s, a[0], (uint32_t)a[1], 0);
	uint64_t args[VPRINTK_ARGS];
	int n = format ? array_of(s, a[2], (uint32_t)a[3], args) : -1;

	return n < 0 ? (uint64_t)-EINVAL : print(s, format, (uint32_t)a[1], args, (uint32_t)n);
}
