/*
 * Adds up the values of per-CPU maps: one value per CPU, each padded to 8 bytes. Numbers are widened to 64 bits, so
 * that the sum of a byte over 300 CPUs doesn't wrap.
 */
#include "common/core.h"

/* Reads a number of size bytes; callers pass a constant size, so the compiler drops the other cases. */
static inline __attribute__((always_inline)) uint64_t load(const uint8_t *from, uint32_t size, int swapped)
{
	uint64_t value = 0;

	if (size == 1)
		return *from;
	if (size == 2) {
		uint16_t two;

		memcpy(&two, from, sizeof(two));
		return swapped ? __builtin_bswap16(two) : two;
	}
	if (size == 4) {
		uint32_t four;

		memcpy(&four, from, sizeof(four));
		return swapped ? __builtin_bswap32(four) : four;
	}
	memcpy(&value, from, sizeof(value));
	return swapped ? __builtin_bswap64(value) : value;
}

static inline double to_double(uint64_t bits, uint32_t size)
{
	float narrow;
	double wide;
	uint32_t low = (uint32_t)bits;

	memcpy(&narrow, &low, sizeof(narrow));
	memcpy(&wide, &bits, sizeof(wide));
	return size == 4 ? (double)narrow : wide;
}

/* Adds up one number over all CPUs; 0 or -EOVERFLOW. */
static inline __attribute__((always_inline)) int add(const uint8_t *from, uint32_t cpus, uint32_t stride, uint32_t kind,
						     uint32_t size, int swapped, void *out)
{
	uint32_t unused = 64 - 8 * size;
	uint64_t total = 0;
	int64_t signed_total = 0;
	double real = 0;
	int over = 0;

	for (uint32_t cpu = 0; cpu < cpus; cpu++, from += stride) {
		uint64_t bits = load(from, size, swapped);

		if (kind == P2B_FLOAT)
			real += to_double(bits, size);
		else if (kind == P2B_SIGNED)
			over |= __builtin_add_overflow(signed_total, (int64_t)(bits << unused) >> unused, &signed_total);
		else
			over |= __builtin_add_overflow(total, kind == P2B_BOOL ? bits != 0 : bits, &total);
	}
	memcpy(out, kind == P2B_FLOAT ? (void *)&real : kind == P2B_SIGNED ? (void *)&signed_total : (void *)&total, 8);
	return over ? -EOVERFLOW : 0;
}

struct task {
	const uint8_t *values;
	uint64_t n;
	uint32_t cpus, stride;
	uint8_t *sums;
	size_t row;             /* bytes of an entry's sums */
	uint64_t *failed;
};

/* One field of all entries. */
static inline __attribute__((always_inline)) int sum_field(const struct task *t, const struct p2b_field *f,
							   uint32_t kind, uint32_t size, int swapped)
{
	size_t entry = (size_t)t->cpus * t->stride;

	for (uint64_t i = 0; i < t->n; i++) {
		const uint8_t *from = t->values + i * entry + f->offset;
		uint8_t *out = t->sums + i * t->row;

		for (uint32_t k = 0; k < f->count; k++) {
			if (add(from + (size_t)k * size, t->cpus, t->stride, kind, size, swapped, out + (size_t)k * 8)) {
				*t->failed = i;
				return -EOVERFLOW;
			}
		}
	}
	return 0;
}

/* The common sizes get loops of their own. */
static int sum_any(const struct task *t, const struct p2b_field *f)
{
	switch (f->swapped ? 0 : f->kind << 8 | f->size) {
	case P2B_UNSIGNED << 8 | 8: return sum_field(t, f, P2B_UNSIGNED, 8, 0);
	case P2B_UNSIGNED << 8 | 4: return sum_field(t, f, P2B_UNSIGNED, 4, 0);
	case P2B_SIGNED << 8 | 8: return sum_field(t, f, P2B_SIGNED, 8, 0);
	case P2B_SIGNED << 8 | 4: return sum_field(t, f, P2B_SIGNED, 4, 0);
	default: return sum_field(t, f, f->kind, f->size, f->swapped);
	}
}

static int is_valid(const struct p2b_field *f, uint32_t stride)
{
	int size_ok = f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8;

	return size_ok && f->kind <= P2B_BOOL && (f->kind != P2B_FLOAT || f->size >= 4) &&
	       f->offset + (uint64_t)f->count * f->size <= stride;
}

int p2b_sum(const void *values, uint64_t n, uint32_t cpus, uint32_t stride, const struct p2b_field *fields,
	    uint32_t n_fields, void *sums, uint64_t *failed)
{
	struct task t = { .values = values, .n = n, .cpus = cpus, .stride = stride, .sums = sums, .failed = failed };

	*failed = 0;
	for (uint32_t i = 0; i < n_fields; i++) {
		if (!is_valid(&fields[i], stride))
			return -EINVAL;
		t.row += (size_t)fields[i].count * 8;
	}
	for (uint32_t i = 0; i < n_fields; i++) {
		int err = sum_any(&t, &fields[i]);

		if (err)
			return err;
		t.sums += (size_t)fields[i].count * 8;
	}
	return 0;
}
