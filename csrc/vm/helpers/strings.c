/* Helper functions on strings and foreign memory: kernel/trace/bpf_trace.c, kernel/bpf/helpers.c. */
#include <limits.h>

#include "vm/helpers/helpers.h"

enum { LINE_MAX_SIZE = 1024, PRINTK_ARGS = 3, VPRINTK_ARGS = 12 };

/*
 * Whose memory an address belongs to. Programs' own memory counts as the kernel's, at any address. Nothing else is
 * readable, but the errors are those of x86-64, which first checks in which half of the address space an address lies.
 */
enum side { USER, KERNEL, EITHER, NEITHER };
enum { HALF_BITS = 47 };
#define USER_END (((uint64_t)1 << HALF_BITS) - 4096)

static enum side side_of(struct vm_state *s, uint64_t addr)
{
	if (vm_readable(s, addr, 1) || addr >> HALF_BITS == UINT64_MAX >> HALF_BITS)
		return KERNEL;
	return addr <= USER_END ? USER : NEITHER;
}

/* 0, or -errno: addr must be on the wanted side, or (for bpf_probe_read) on either. */
static int64_t check_probe(struct vm_state *s, uint64_t addr, enum side wanted)
{
	enum side side = side_of(s, addr);

	if (wanted == EITHER)
		wanted = side == USER && addr < USER_END ? USER : KERNEL;
	if (side != wanted)
		return wanted == KERNEL ? -ERANGE : -EFAULT;
	return 0;
}

static uint64_t fail(void *to, uint32_t size, int64_t err)
{
	memset(to, 0, size);
	return (uint64_t)err;
}

static uint64_t probe(struct vm_state *s, const uint64_t *a, enum side wanted)
{
	uint32_t size = (uint32_t)a[1];
	uint8_t *to = vm_argument(s, a[0], size, 1);
	int64_t err = check_probe(s, a[2], wanted);

	if (!to)
		return 0;
	if (err || vm_readable(s, a[2], size) < size)
		return fail(to, size, err ? err : -EFAULT);
	if (size > 0) /* size 0 is allowed with any address, including NULL, which memmove doesn't allow */
		memmove(to, (const void *)(uintptr_t)a[2], size);
	return 0;
}

static uint64_t probe_str(struct vm_state *s, const uint64_t *a, enum side wanted)
{
	uint32_t size = (uint32_t)a[1];
	char *to = (char *)vm_argument(s, a[0], size, 1);
	const char *from = (const char *)(uintptr_t)a[2];
	int64_t err = check_probe(s, a[2], wanted);
	uint64_t have, n;

	if (!to || !size)
		return 0;
	have = err ? 0 : vm_readable(s, a[2], size);
	n = have ? strnlen(from, have) : 0;
	if (have == 0 || (n == have && have < size))
		return fail(to, size, err ? err : -EFAULT);
	n = n < size ? n : size - 1;
	memmove(to, from, n);
	to[n] = 0;
	return n + 1;
}

#define PROBE(name, function, side)                                                            \
	uint64_t name(struct vm_state *s, const uint64_t *a)                                   \
	{                                                                                      \
		return function(s, a, side);                                                   \
	}
PROBE(vm_probe_read, probe, EITHER)
PROBE(vm_probe_read_user, probe, USER)
PROBE(vm_probe_read_kernel, probe, KERNEL)
PROBE(vm_probe_read_str, probe_str, EITHER)
PROBE(vm_probe_read_user_str, probe_str, USER)
PROBE(vm_probe_read_kernel_str, probe_str, KERNEL)

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

/* Parses digits in base 8, 10, 16, or as their prefix says (base 0). Returns how many characters the number has. */
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

/* Copies a format, since the output may overwrite it; it must end within its memory. 0 after a fault. */
static int copy_format(struct vm_state *s, uint64_t addr, char *to)
{
	uint64_t have = vm_readable(s, addr, LINE_MAX_SIZE);
	const char *format = (const char *)(uintptr_t)addr;
	uint64_t n = have ? strnlen(format, have) : 0;

	if (n == have) {
		vm_fault(s, addr, "a format string that has no end");
		return 0;
	}
	memcpy(to, format, n + 1);
	return 1;
}

/* Copies arguments from an array of size bytes, which may be unaligned. Returns their number, or -1. */
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
	uint64_t args[VPRINTK_ARGS];
	char format[LINE_MAX_SIZE];
	int n = to && copy_format(s, a[2], format) ? array_of(s, a[3], (uint32_t)a[4], args) : -1;
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
