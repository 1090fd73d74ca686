/*
 * User ring buffers, kernel/bpf/ringbuf.c: records from user space to programs. They have no arena: programs see
 * records through the helper functions of vm/helpers/events.c only, so that records may wrap around the ring's end.
 */
#include <unistd.h>

#include "vm/map/ops.h"
#include "vm/map/records.h"

struct user_ring {
	uint64_t produced, consumed;
	uint8_t *data;          /* as many bytes as the map has entries */
};

static int user_ring_open(struct vm_map *map)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), size = map->max_entries;
	struct user_ring *r;

	if (map->key_size || map->value_size || size & (size - 1) || size % page)
		return -EINVAL;
	r = map->private->state = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->data = vm_alloc(size);
	return r->data ? 0 : -ENOMEM;
}

static void user_ring_close(struct vm_map *map)
{
	struct user_ring *r = map->private->state;

	if (!r)
		return;
	vm_free(r->data, map->max_entries);
	free(r);
}

static void put(struct vm_map *map, uint64_t at, const uint8_t *from, uint64_t size)
{
	const struct user_ring *r = map->private->state;
	uint64_t begin = at & (map->max_entries - 1);
	uint64_t first = size < map->max_entries - begin ? size : map->max_entries - begin;

	memcpy(r->data + begin, from, first);
	memcpy(r->data, from + first, size - first);
}

static void get(const struct vm_map *map, uint64_t at, uint8_t *to, uint64_t size)
{
	const struct user_ring *r = map->private->state;
	uint64_t begin = at & (map->max_entries - 1);
	uint64_t first = size < map->max_entries - begin ? size : map->max_entries - begin;

	memcpy(to, r->data + begin, first);
	memcpy(to + first, r->data, size - first);
}

/* Moves *at past discarded records to the next record. Returns its size, 0 if there is none. */
static uint32_t skip(const struct vm_map *map, uint64_t *at)
{
	const struct user_ring *r = map->private->state;

	while (*at != r->produced) {
		uint32_t header;

		get(map, *at, (uint8_t *)&header, sizeof(header));
		if (!(header & VM_RECORD_DISCARD))
			return header;
		*at += vm_record_length(header & ~VM_RECORD_DISCARD);
	}
	return 0;
}

uint32_t vm_user_ring_next(struct vm_map *map)
{
	struct user_ring *r = map->private->state;
	uint64_t before = r->consumed;
	uint32_t size = skip(map, &r->consumed);

	map->work += r->consumed - before;
	return size;
}

void vm_user_ring_read(const struct vm_map *map, uint32_t offset, void *to, uint32_t size)
{
	const struct user_ring *r = map->private->state;

	get(map, r->consumed + VM_RECORD_HEADER + offset, to, size);
}

void vm_user_ring_drop(struct vm_map *map, uint32_t size)
{
	struct user_ring *r = map->private->state;

	r->consumed += vm_record_length(size);
}

/* ---- User space ----------------------------------------------------------------------------------------------- */

int vm_user_ring_send(struct vm_map *map, const void *data, uint32_t size)
{
	struct user_ring *r = map->private->state;
	int err = 0;

	if (map->kind != VM_USER_RINGBUF)
		return -EINVAL;
	if (!size || size >= VM_RECORD_DISCARD || vm_record_length(size) > map->max_entries)
		return -E2BIG;
	vm_lock(map->vm);
	if (vm_record_length(size) > map->max_entries - (r->produced - r->consumed)) {
		err = -ENOSPC;
	} else {
		put(map, r->produced, (const uint8_t *)&size, sizeof(size));
		put(map, r->produced + VM_RECORD_HEADER, data, size);
		r->produced += vm_record_length(size);
	}
	vm_unlock(map->vm);
	return err;
}

int64_t vm_user_ring_peek(struct vm_map *map, uint64_t *position, void *out, uint64_t cap, int take)
{
	struct user_ring *r = map->private->state;
	uint32_t size, header;

	if (map->kind != VM_USER_RINGBUF)
		return -EINVAL;
	vm_lock(map->vm);
	if (*position - r->consumed > map->max_entries) /* programs have read beyond it */
		*position = r->consumed;
	size = skip(map, position);
	if (size && size <= cap) {
		get(map, *position + VM_RECORD_HEADER, out, size);
		header = size | VM_RECORD_DISCARD;
		if (take)
			put(map, *position, (const uint8_t *)&header, sizeof(header));
		*position += vm_record_length(size);
	}
	vm_unlock(map->vm);
	return size > cap ? -ENOSPC : (int64_t)size;
}

uint64_t vm_user_ring_waiting(struct vm_map *map)
{
	const struct user_ring *r = map->private->state;
	uint64_t n;

	if (map->kind != VM_USER_RINGBUF)
		return 0;
	vm_lock(map->vm);
	n = r->produced - r->consumed;
	vm_unlock(map->vm);
	return n;
}

const struct vm_map_ops vm_user_ring_ops = { .open = user_ring_open, .close = user_ring_close };
