/* Map elements, one and many: bpf(2), Documentation/bpf/maps.rst. */
#include "sys/calls.h"

#include <linux/bpf.h>

int p2b_element(int cmd, int fd, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = p2b_ptr(key);
	attr.value = p2b_ptr(value);
	attr.flags = flags;
	return p2b_bpf(cmd, &attr, sizeof(attr));
}

static int element(int cmd, struct p2b_handle *map, const void *key, const void *value, uint64_t flags)
{
	int fd = p2b_hold(map), err;

	if (fd < 0)
		return fd;
	err = p2b_element(cmd, fd, key, value, flags);
	p2b_release(map);
	return err;
}

int p2b_map_lookup(struct p2b_handle *map, const void *key, void *value, uint64_t flags)
{
	return element(BPF_MAP_LOOKUP_ELEM, map, key, value, flags);
}

int p2b_map_lookup_and_delete(struct p2b_handle *map, const void *key, void *value, uint64_t flags)
{
	return element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, map, key, value, flags);
}

int p2b_map_update(struct p2b_handle *map, const void *key, const void *value, uint64_t flags)
{
	return element(BPF_MAP_UPDATE_ELEM, map, key, value, flags);
}

int p2b_map_delete(struct p2b_handle *map, const void *key)
{
	return element(BPF_MAP_DELETE_ELEM, map, key, NULL, 0);
}

int p2b_map_next_key(struct p2b_handle *map, const void *key, void *next)
{
	return element(BPF_MAP_GET_NEXT_KEY, map, key, next, 0);
}

static const void *at(const void *base, uint64_t index, uint32_t size)
{
	return base ? (const char *)base + index * size : NULL;
}

/* Whether the error means that there are no batches: an old kernel (EINVAL), a kind of map or flags without them. */
static int no_batch(int err)
{
	return err == -EINVAL || err == -P2B_ENOTSUPP;
}

/* A batch update or delete; adds the processed entries to *done. */
static int batch(int cmd, int fd, const void *keys, const void *values, uint32_t count, uint64_t flags, uint32_t *done)
{
	union bpf_attr attr;
	int err;

	memset(&attr, 0, sizeof(attr));
	attr.batch.map_fd = (uint32_t)fd;
	attr.batch.keys = p2b_ptr(keys);
	attr.batch.values = p2b_ptr(values);
	attr.batch.count = count;
	attr.batch.elem_flags = flags;
	err = p2b_bpf(cmd, &attr, sizeof(attr));
	if (no_batch(err) || err == -EPERM || err == -EBADF)
		return err;     /* refused before the kernel wrote count */
	*done += attr.batch.count;
	return err;
}

static int update_many(int fd, uint32_t key_size, uint32_t value_size, const void *keys, const void *values,
		       uint32_t count, uint64_t flags, uint32_t *done)
{
	int err;

	*done = 0;
	if (!count)
		return 0;
	err = batch(BPF_MAP_UPDATE_BATCH, fd, keys, values, count, flags, done);
	if (!no_batch(err))
		return err;
	for (*done = 0, err = 0; *done < count; (*done)++) {
		err = p2b_element(BPF_MAP_UPDATE_ELEM, fd, at(keys, *done, key_size), at(values, *done, value_size),
				  flags);
		if (err)
			break;
	}
	return err;
}

int p2b_map_update_many(struct p2b_handle *map, uint32_t key_size, uint32_t value_size, const void *keys,
			const void *values, uint32_t count, uint64_t flags, uint32_t *done)
{
	int fd = p2b_hold(map), err;

	*done = 0;
	if (fd < 0)
		return fd;
	err = update_many(fd, key_size, value_size, keys, values, count, flags, done);
	p2b_release(map);
	return err;
}

static int delete_singly(int fd, uint32_t key_size, const void *keys, uint32_t count, uint32_t *done)
{
	for (; *done < count; (*done)++) {
		int err = p2b_element(BPF_MAP_DELETE_ELEM, fd, at(keys, *done, key_size), NULL, 0);

		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

static int delete_many(int fd, uint32_t key_size, const void *keys, uint32_t count, uint32_t *done)
{
	while (*done < count) {
		int err = batch(BPF_MAP_DELETE_BATCH, fd, at(keys, *done, key_size), NULL, count - *done, 0, done);

		if (no_batch(err))
			return delete_singly(fd, key_size, keys, count, done);
		if (err && err != -ENOENT)
			return err;
		if (err)
			(*done)++;      /* the batch stopped at a missing key */
	}
	return 0;
}

int p2b_map_delete_many(struct p2b_handle *map, uint32_t key_size, const void *keys, uint32_t count, uint32_t *done)
{
	int fd = p2b_hold(map), err;

	*done = 0;
	if (fd < 0)
		return fd;
	err = delete_many(fd, key_size, keys, count, done);
	p2b_release(map);
	return err;
}
