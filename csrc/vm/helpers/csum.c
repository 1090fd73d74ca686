/* Internet checksums (RFC 1071, 1624) with the results of net/core/filter.c and include/net/checksum.h. */
#include "vm/helpers/packets.h"

enum { HDR_FIELD_MASK = 0xf, PSEUDO_HDR = 1 << 4, MARK_MANGLED_0 = 1 << 5, MARK_ENFORCE = 1 << 6, IPV6 = 1 << 7 };

static uint32_t add(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return sum + (sum < b);
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/*
 * csum_partial: sums 64-bit words, with the carry added at the bottom, so that it gives the same of the two forms of
 * zero as x86-64. A shorter rest counts as if zeros followed.
 */
static uint32_t sum_of(const uint8_t *data, uint64_t size, uint32_t start)
{
	uint64_t sum = start;

	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t word = 0;

		memcpy(&word, data + i, size - i < 8 ? size - i : 8);
		sum += word;
		sum += sum < word;
	}
	return (uint32_t)((sum + (sum >> 32 | sum << 32)) >> 32);
}

static uint16_t replace_by_diff(uint16_t check, uint32_t diff)
{
	return (uint16_t)~fold(add(diff, ~(uint32_t)check));
}

static uint16_t replace4(uint16_t check, uint32_t from, uint32_t to)
{
	return (uint16_t)~fold(add(add(~(uint32_t)check, ~from), to));
}

/* One's complement sums of 16 bits, as csum16_add. */
static uint16_t add16(uint16_t a, uint16_t b)
{
	uint16_t sum = (uint16_t)(a + b);

	return (uint16_t)(sum + (sum < b));
}

static uint16_t replace2(uint16_t check, uint16_t from, uint16_t to)
{
	return (uint16_t)~add16(add16((uint16_t)~check, (uint16_t)~from), to);
}

/* Updates the checksum for a change of size bytes (size 0: from is 0, and to is the difference). 0 or -EINVAL. */
static int64_t replace(uint8_t *at, uint64_t size, uint64_t from, uint64_t to)
{
	uint16_t check;

	memcpy(&check, at, sizeof(check));
	if (size == 0 && from == 0)
		check = replace_by_diff(check, (uint32_t)to);
	else if (size == 2)
		check = replace2(check, (uint16_t)from, (uint16_t)to);
	else if (size == 4)
		check = replace4(check, (uint32_t)from, (uint32_t)to);
	else
		return -EINVAL;
	memcpy(at, &check, sizeof(check));
	return 0;
}

uint64_t vm_l3_csum_replace(struct vm_state *s, const uint64_t *a)
{
	uint32_t offset = (uint32_t)a[1];
	uint8_t *at;

	if (a[4] & ~(uint64_t)HDR_FIELD_MASK)
		return (uint64_t)-EINVAL;
	at = offset > 0xffff || (offset & 1) ? NULL : vm_packet_at(s, offset, 2);
	return at ? (uint64_t)replace(at, a[4] & HDR_FIELD_MASK, a[2], a[3]) : (uint64_t)-EFAULT;
}

uint64_t vm_l4_csum_replace(struct vm_state *s, const uint64_t *a)
{
	uint32_t offset = (uint32_t)a[1];
	uint8_t *at;
	int64_t err;

	if (a[4] & ~(uint64_t)(HDR_FIELD_MASK | PSEUDO_HDR | MARK_MANGLED_0 | MARK_ENFORCE | IPV6))
		return (uint64_t)-EINVAL;
	at = offset > 0xffff || (offset & 1) ? NULL : vm_packet_at(s, offset, 2);
	if (!at)
		return (uint64_t)-EFAULT;
	if ((a[4] & MARK_MANGLED_0) && !(a[4] & MARK_ENFORCE) && !at[0] && !at[1])
		return 0;
	err = replace(at, a[4] & HDR_FIELD_MASK, a[2], a[3]);
	if (!err && (a[4] & MARK_MANGLED_0) && !at[0] && !at[1])
		at[0] = at[1] = 0xff;
	return (uint64_t)err;
}

uint64_t vm_csum_diff(struct vm_state *s, const uint64_t *a)
{
	uint32_t seed = (uint32_t)a[4];
	const uint8_t *from, *to;
	uint32_t sum;

	from = vm_argument(s, a[0], a[1], 0);
	to = from ? vm_argument(s, a[2], a[3], 0) : NULL;
	if (!to)
		return 0;
	if (a[1] && a[3])
		sum = add(sum_of(to, a[3], seed), ~sum_of(from, a[1], 0));
	else if (a[3])
		sum = sum_of(to, a[3], seed);
	else if (a[1])
		sum = ~sum_of(from, a[1], ~seed);
	else
		sum = seed;
	return fold(sum);
}
