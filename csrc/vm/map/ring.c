/*
 * Ring buffers, kernel/bpf/ringbuf.c: one ring for all CPUs, whose records programs may fill in place. Positions count
 * bytes and never wrap; a record takes 8 bytes and its own size, rounded up to 8. Its header lies outside of the arena,
 * where no program can write; the arena is twice the ring, so that a record at the ring's end is in one piece too.
 */
#include <unistd.h>

#include "common/batch.h"
#include "vm/map/ops.h"
#include "vm/map/records.h"

enum { SIZE_MASK = VM_RECORD_DISCARD - 1 };
enum { AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS };

struct ring {
	uint64_t produced, consumed;
	size_t headers_size;
	uint32_t *headers;      /* one for every 8 bytes of the ring */
};

static int ring_open(struct vm_map *map)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), size = map->max_entries;
	struct ring *r;
	int err;

	if (map->key_size || map->value_size || size & (size - 1) || size % page)
		return -EINVAL;
	r = map->private->state = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->headers_size = size / VM_RECORD_HEADER * sizeof(r->headers[0]);
	r->headers = vm_alloc(r->headers_size);
	if (!r->headers)
		return -ENOMEM;
	map->private->element = 2;
	err = vm_make_arena(map, size);
	return err ? err : vm_wake_open(&map->private->wake);
}

static void ring_close(struct vm_map *map)
{
	struct ring *r = map->private->state;

	if (!r)
		return;
	vm_free(r->headers, r->headers_size);
	free(r);
}

static uint32_t *header_at(const struct vm_map *map, uint64_t position)
{
	const struct ring *r = map->private->state;

	return &r->headers[(position & (map->max_entries - 1)) / VM_RECORD_HEADER];
}

void *vm_ring_reserve(struct vm_map *map, uint64_t size)
{
	struct vm_map_private *p = map->private;
	struct ring *r = p->state;
	uint64_t at;

	if (map->kind != VM_RINGBUF)
		return NULL;
	if (size > SIZE_MASK || r->produced + vm_record_length(size) - r->consumed > map->max_entries - 1) {
		p->stats.lost++;
		return NULL;
	}
	at = r->produced;
	*header_at(map, at) = VM_RECORD_BUSY | (uint32_t)size;
	r->produced += vm_record_length(size);
	return map->arena + (at & (map->max_entries - 1)) + VM_RECORD_HEADER;
}

/* A discarded record wakes nobody; a record that isn't the oldest wakes a reader, who finds nothing yet. */
void vm_ring_submit(struct vm_map *map, void *record, int discard)
{
	uint32_t *header = header_at(map, (uint64_t)((uint8_t *)record - map->arena) - VM_RECORD_HEADER);

	*header &= ~VM_RECORD_BUSY;
	if (discard)
		*header |= VM_RECORD_DISCARD;
	else
		vm_wake_raise(&map->private->wake);
}

static int ring_emit(struct vm_map *map, uint32_t cpu, const void *data, uint32_t size)
{
	void *record = vm_ring_reserve(map, size);

	(void)cpu;
	if (!record)
		return -EAGAIN;
	memmove(record, data, size);
	vm_ring_submit(map, record, 0);
	return 0;
}

/* Takes records in the order of reservation; a record that isn't submitted yet holds up the later ones. */
static void ring_take(struct vm_map *map, struct p2b_batch *batch)
{
	struct ring *r = map->private->state;

	while (r->consumed != r->produced && !p2b_batch_full(batch)) {
		uint32_t header = *header_at(map, r->consumed), size = header & SIZE_MASK;

		if (header & VM_RECORD_BUSY)
			break;
		if (!(header & VM_RECORD_DISCARD))
			p2b_batch_put(batch, 0, map->arena + (r->consumed & (map->max_entries - 1)) + VM_RECORD_HEADER, size,
				      batch->size);
		r->consumed += vm_record_length(size);
	}
	if (r->consumed == r->produced || *header_at(map, r->consumed) & VM_RECORD_BUSY)
		vm_wake_lower(&map->private->wake);
}

uint64_t vm_ring_query(struct vm_map *map, uint64_t flags)
{
	const struct ring *r = map->private->state;

	if (map->kind != VM_RINGBUF)
		return 0;
	switch (flags) {
	case AVAIL_DATA: return r->produced - r->consumed;
	case RING_SIZE: return map->max_entries;
	case CONS_POS: return r->consumed;
	case PROD_POS: return r->produced;
	default: return 0;
	}
}

void vm_ring_positions(struct vm_map *map, uint64_t *ret)
{
	vm_lock(map->vm);
	ret[0] = vm_ring_query(map, CONS_POS);
	ret[1] = vm_ring_query(map, PROD_POS);
	vm_unlock(map->vm);
}

const struct vm_map_ops vm_ring_ops = {
	.open = ring_open, .close = ring_close, .emit = ring_emit, .take = ring_take,
};
