/* Finds a type in a large BTF blob: Documentation/bpf/btf.rst. The blob isn't trusted: every offset is checked. */
#include "common/core.h"

enum {
	MAGIC = 0xeb9f,
	VERSION = 1,
	LAST_KIND = 19,         /* BTF_KIND_ENUM64 */
};

struct header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t size, type_off, type_len, str_off, str_len;
};

struct type {
	uint32_t name, info, size;
};

/* How many bytes follow a type of each kind: a fixed number, and a number for each element. */
static const uint8_t fixed[LAST_KIND + 1] = { [1] = 4, [3] = 12, [14] = 4, [17] = 4 };
static const uint8_t each[LAST_KIND + 1] = { [4] = 12, [5] = 12, [6] = 8, [13] = 8, [15] = 12, [19] = 12 };

/* The offset of the name in the strings, which contain each string once; 0, the offset of "", if it isn't there. */
static uint32_t find_name(const char *strings, uint32_t length, const char *name)
{
	size_t room = strlen(name) + 2;
	char *pattern = malloc(room);
	const char *found;

	if (!pattern)
		return 0;
	pattern[0] = 0;
	memcpy(pattern + 1, name, room - 1);
	found = memmem(strings, length, pattern, room);
	free(pattern);
	return found ? (uint32_t)(found - strings) + 1 : 0;
}

/* Finds the types and the strings, both within the blob; 0 or -EINVAL. */
static int read_header(const char *data, uint64_t size, struct header *h)
{
	if (size < sizeof(*h))
		return -EINVAL;
	memcpy(h, data, sizeof(*h));
	if (h->magic != MAGIC || h->version != VERSION)
		return -EINVAL;
	if ((uint64_t)h->size + h->type_off + h->type_len > size || (uint64_t)h->size + h->str_off + h->str_len > size)
		return -EINVAL;
	return 0;
}

static int find_type(const char *types, uint32_t length, uint32_t kind, uint32_t name)
{
	uint64_t at = 0;

	for (int number = 1; at + sizeof(struct type) <= length; number++) {
		struct type type;
		uint32_t is;

		memcpy(&type, types + at, sizeof(type));
		is = type.info >> 24 & 31;
		if (!is || is > LAST_KIND)
			return -EINVAL;
		if (is == kind && type.name == name)
			return number;
		at += sizeof(type) + fixed[is] + (uint64_t)each[is] * (type.info & 0xffff);
	}
	return -ENOENT;
}

int p2b_btf_find(const void *btf, uint64_t size, uint32_t kind, const char *name)
{
	const char *data = btf;
	struct header h;
	uint32_t offset;
	int error = read_header(data, size, &h);

	if (error)
		return error;
	offset = find_name(data + (uint64_t)h.size + h.str_off, h.str_len, name);
	return offset ? find_type(data + (uint64_t)h.size + h.type_off, h.type_len, kind, offset) : -ENOENT;
}

int p2b_btf_offsets(const void *btf, uint64_t size, uint32_t *offsets, uint32_t room)
{
	const char *data = btf;
	struct header h;
	uint64_t at, end;
	uint32_t count = 0;
	int error = read_header(data, size, &h);

	if (error)
		return error;
	at = (uint64_t)h.size + h.type_off;
	end = at + h.type_len;
	while (at < end) {
		struct type type;
		uint32_t is;

		if (end - at < sizeof(type))
			return -EINVAL;
		memcpy(&type, data + at, sizeof(type));
		is = type.info >> 24 & 31;
		if (!is || is > LAST_KIND)
			return -EINVAL;
		if (count == room)
			return -ENOSPC;
		offsets[count++] = at;
		at += sizeof(type) + fixed[is] + (uint64_t)each[is] * (type.info & 0xffff);
	}
	return at == end ? (int)count : -EINVAL;
}
