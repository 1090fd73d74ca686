/*
 * Walks, many-element calls and perf readers over bad descriptors: every path out frees what it took (the leak
 * sanitizer looks). With a kernel that lets us, walks over a real map as well.
 */
#include "check.h"
#include "sys/perfbuf.h"

#include <linux/bpf.h>

static void bad_descriptor(void)
{
	uint8_t keys[64] = { 0 }, values[64] = { 0 };
	struct p2b_handle none = { 0 }, closed = { 0 }, made = { 0 };
	struct p2b_reader *buf;
	uint32_t done;

	p2b_handle_close(&closed);
	for (uint32_t flags = 0; flags < 4; flags++) {
		CHECK(p2b_walk_make(&none, 8, 8, 10, flags, &made) == -EBADF);
		CHECK(p2b_walk_make(&closed, 8, 8, 10, flags, &made) == -ESHUTDOWN);
		CHECK(p2b_walk_next(&made, keys, values, 8) == -EBADF);
	}
	CHECK(p2b_map_update_many(&none, 8, 8, keys, values, 8, 0, &done) < 0 && done == 0);
	CHECK(p2b_map_delete_many(&closed, 8, keys, 8, &done) == -ESHUTDOWN && done == 0);
	CHECK(p2b_perfbuf_create(-1, 4, 8, 1, 0, 0, 0, &buf) == -EBADF && !buf);
	CHECK(p2b_perfbuf_create(0, 4, 3, 1, 0, 0, 0, &buf) == -EINVAL && !buf);
	CHECK(p2b_perfbuf_create(0, 4, 0, 1, 0, 0, 0, &buf) == -EINVAL && !buf);
	p2b_reader_destroy(NULL);
	p2b_handle_close(&none);
	p2b_handle_close(&made);
}

static int destroyed;

static void destroy(void *object)
{
	destroyed += object == &destroyed;
}

/* An object is given back once: when it is closed, by the last that holds it, or at once where it can't be owned. */
static void handles(void)
{
	struct p2b_handle h = { 0 }, copy = { 0 };

	CHECK(p2b_hold(&h) == -EBADF && p2b_handle_fd(&h) == -EBADF);
	CHECK(p2b_own_object(&h, &destroyed, destroy, 0) == 0 && !destroyed);
	CHECK(p2b_own_object(&h, &destroyed, destroy, 0) == -EBUSY && destroyed == 1);
	CHECK(p2b_handle_copy(&h, &copy) == -EINVAL && p2b_handle_fd(&copy) == -EBADF);
	CHECK(p2b_hold(&h) == 0 && p2b_hold(&h) == 0);
	p2b_release(&h);
	p2b_handle_close(&h);
	p2b_handle_close(&h);
	CHECK(destroyed == 1 && p2b_hold(&h) == -ESHUTDOWN);
	p2b_release(&h);
	CHECK(destroyed == 2 && p2b_handle_fd(&h) == -ESHUTDOWN);
	CHECK(p2b_own_object(&h, &destroyed, destroy, 0) == -ESHUTDOWN && destroyed == 3);
	p2b_handle_close(&h);
	CHECK(destroyed == 3);
}

static int make_map(uint32_t entries, struct p2b_handle *ret)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_HASH;
	attr.key_size = attr.value_size = 8;
	attr.max_entries = entries;
	return p2b_bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr), &(struct p2b_uses){ 0 }, ret);
}

static uint32_t walk_map(struct p2b_handle *map, uint32_t entries, uint32_t flags)
{
	uint64_t keys[16], values[16];
	uint8_t *seen = calloc(entries, 1);
	struct p2b_handle walk = { 0 };
	uint32_t total = 0, cap = 3;
	int n;

	CHECK(p2b_walk_make(map, 8, 8, entries, flags, &walk) == 0);
	while ((n = p2b_walk_next(&walk, keys, values, cap)) != 0) {
		if (n == -ENOSPC) {
			CHECK(++cap <= 16);
			continue;
		}
		CHECK(n > 0 && (uint32_t)n <= cap);
		for (int i = 0; i < n; i++) {
			CHECK(keys[i] < entries && values[i] == keys[i] * 3 && !seen[keys[i]]++);
			total++;
		}
	}
	CHECK(p2b_walk_next(&walk, keys, values, 0) == -EINVAL);
	p2b_handle_close(&walk);
	free(seen);
	return total;
}

static void real_map(void)
{
	enum { ENTRIES = 3000 };
	static uint64_t keys[ENTRIES], values[ENTRIES];
	uint32_t done;
	struct p2b_handle map = { 0 };
	int err = make_map(ENTRIES, &map);

	if (err == -EPERM || err == -ENOSYS)
		return;
	CHECK(err == 0 && p2b_handle_fd(&map) >= 0);
	for (uint64_t i = 0; i < ENTRIES; i++) {
		keys[i] = i;
		values[i] = i * 3;
	}
	CHECK(p2b_map_update_many(&map, 8, 8, keys, values, ENTRIES, BPF_ANY, &done) == 0 && done == ENTRIES);
	CHECK(walk_map(&map, ENTRIES, 0) == ENTRIES);
	CHECK(walk_map(&map, ENTRIES, P2B_WALK_KEYS) == ENTRIES);
	CHECK(walk_map(&map, ENTRIES, P2B_WALK_DELETE) == ENTRIES);
	CHECK(walk_map(&map, ENTRIES, 0) == 0);
	CHECK(p2b_map_update_many(&map, 8, 8, keys, values, ENTRIES, BPF_NOEXIST, &done) == 0 && done == ENTRIES);
	CHECK(p2b_map_update_many(&map, 8, 8, keys, values, ENTRIES, BPF_NOEXIST, &done) == -EEXIST && done == 0);
	CHECK(walk_map(&map, ENTRIES, P2B_WALK_KEYS | P2B_WALK_DELETE) == ENTRIES);
	CHECK(walk_map(&map, ENTRIES, P2B_WALK_KEYS) == 0);
	CHECK(p2b_map_update_many(&map, 8, 8, keys, values, 10, BPF_ANY, &done) == 0);
	CHECK(p2b_map_delete(&map, &keys[4]) == 0);
	CHECK(p2b_map_delete_many(&map, 8, keys, ENTRIES, &done) == 0 && done == ENTRIES);
	CHECK(walk_map(&map, ENTRIES, 0) == 0);
	p2b_handle_close(&map);
}

/* Numbers at the edges of buffers of exactly their size, so that sanitizers see a step too far. */
static void sums(void)
{
	static const struct p2b_field fields[] = {
		{ .offset = 0, .count = 3, .kind = P2B_SIGNED, .size = 1 },
		{ .offset = 4, .count = 1, .kind = P2B_UNSIGNED, .size = 4, .swapped = 1 },
		{ .offset = 8, .count = 1, .kind = P2B_FLOAT, .size = 8 },
		{ .offset = 3, .count = 1, .kind = P2B_BOOL, .size = 1 },
	};
	enum { ENTRIES = 5, CPUS = 3, STRIDE = 16, NUMBERS = 6 };
	uint8_t *values = calloc(ENTRIES * CPUS, STRIDE);
	int64_t *out = calloc(ENTRIES * NUMBERS, sizeof(*out));
	uint64_t failed;
	double real;

	for (int i = 0; i < ENTRIES * CPUS; i++) {
		uint8_t *value = values + i * STRIDE;

		real = i * 0.5;
		memcpy(value, (uint8_t[]){ (uint8_t)-i, 1, 0x80, (uint8_t)(i % 2 ? 7 : 0), 0, 0, 1, (uint8_t)i }, 8);
		memcpy(value + 8, &real, sizeof(real));
	}
	CHECK(p2b_sum(values, ENTRIES, CPUS, STRIDE, fields, 4, out, &failed) == 0);
	for (int i = 0; i < ENTRIES; i++) {
		const int64_t *row = out + i * NUMBERS;
		int of_indices = 9 * i + 3;

		memcpy(&real, &row[4], sizeof(real));
		CHECK(row[0] == -of_indices && row[1] == CPUS && row[2] == -128 * CPUS);
		CHECK(row[3] == CPUS * 256 + of_indices && real == of_indices * 0.5 && row[5] == (i % 2 ? 2 : 1));
	}
	memset(values, 0xff, ENTRIES * CPUS * STRIDE);
	CHECK(p2b_sum(values, ENTRIES, 2, 16, &(struct p2b_field){ 0, 2, P2B_UNSIGNED, 8, 0 }, 1, out, &failed) == -EOVERFLOW);
	CHECK(failed == 0 && p2b_sum(values, ENTRIES, 1, 8, fields, 4, out, &failed) == -EINVAL);
	free(values);
	free(out);
}

void check_maps(void)
{
	sums();
	bad_descriptor();
	handles();
	real_map();
}
