/*
 * Perf event arrays: a ring of frames for every CPU. A frame is exactly as long as its record would be in the kernel's
 * ring (8 bytes of header, 4 of size, the data, all rounded up to 8), so that as many fit.
 */
#include <unistd.h>

#include "vmmap.h"

enum { PAGES_MAX = 1 << 20, RECORD_MAX = (1 << 16) - 1, SIZE_FIELD = 4 };

struct perf_ring {
	uint8_t *data;
	uint64_t head, tail;    /* count bytes for ever */
};

struct perf {
	uint64_t size;          /* of each ring, a power of two */
	uint32_t first;         /* the CPU whose turn it is */
	struct perf_ring rings[];
};

static int perf_open(struct vm_map *map)
{
	return map->key_size == 4 && map->value_size == 4 ? 0 : -EINVAL;
}

static void perf_close(struct vm_map *map)
{
	struct perf *b = map->private->state;

	for (uint32_t cpu = 0; b && cpu < map->n_cpus; cpu++)
		vm_give_back(b->rings[cpu].data, b->size);
	free(b);
}

static int make_rings(struct vm_map *map, uint64_t size)
{
	struct perf *b = calloc(1, sizeof(*b) + map->n_cpus * sizeof(b->rings[0]));
	int err;

	if (!b)
		return -ENOMEM;
	b->size = size;
	map->private->state = b;
	for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++) {
		b->rings[cpu].data = vm_take_memory(size);
		if (!b->rings[cpu].data)
			return -ENOMEM;
	}
	err = vm_wake_open(&map->private->wake);
	return err;
}

int vm_perf_make_rings(struct vm_map *map, uint32_t pages)
{
	int err;

	if (!pages || pages & (pages - 1) || pages > PAGES_MAX)
		return -EINVAL;
	if (map->private->state)
		return -EBUSY;
	vm_lock(map->vm);
	err = make_rings(map, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
	if (err) {
		perf_close(map);
		map->private->state = NULL;
	}
	vm_unlock(map->vm);
	return err;
}

static void ring_copy_in(const struct perf *b, struct perf_ring *r, const void *from, uint64_t n)
{
	uint64_t begin = r->head & (b->size - 1);
	uint64_t first = n < b->size - begin ? n : b->size - begin;

	memcpy(r->data + begin, from, first);
	if (n > first)
		memcpy(r->data, (const uint8_t *)from + first, n - first);
	r->head += n;
}

static void ring_copy_out(const struct perf *b, const struct perf_ring *r, void *to, uint64_t n)
{
	uint64_t begin = r->tail & (b->size - 1);
	uint64_t first = n < b->size - begin ? n : b->size - begin;

	memcpy(to, r->data + begin, first);
	if (n > first)
		memcpy((uint8_t *)to + first, r->data, n - first);
}

static int perf_emit(struct vm_map *map, uint32_t cpu, const void *data, uint32_t size)
{
	static const uint8_t zeros[16];
	struct vm_map_private *p = map->private;
	struct perf *b = p->state;
	uint64_t room = (((uint64_t)size + SIZE_FIELD + 7) & ~7ull) - SIZE_FIELD, padded = (room + 7) & ~7ull;
	struct p2b_frame frame = { .cpu = cpu, .size = (uint32_t)room };
	struct perf_ring *r;

	if (cpu >= map->n_cpus || cpu >= map->max_entries || sizeof(frame) + padded > RECORD_MAX)
		return -E2BIG;
	if (!b || p->released)
		return -ENOENT;
	r = &b->rings[cpu];
	if (r->head - r->tail + sizeof(frame) + padded > b->size) {
		p->stats.lost++;
		return -ENOSPC;
	}
	ring_copy_in(b, r, &frame, sizeof(frame));
	ring_copy_in(b, r, data, size);
	ring_copy_in(b, r, zeros, padded - size);
	vm_wake_raise(&p->wake);
	return 0;
}

struct drain {
	uint8_t *out;
	uint64_t used, cap, records;
	int more;               /* a record that didn't fit */
};

static void drain_ring(struct vm_map *map, struct perf_ring *r, struct drain *d, uint64_t cap, uint64_t records)
{
	const struct perf *b = map->private->state;
	uint64_t end = d->used + (cap < d->cap - d->used ? cap : d->cap - d->used);

	for (; r->head != r->tail && records && d->records; records--, d->records--) {
		struct p2b_frame frame;
		uint64_t size;

		ring_copy_out(b, r, &frame, sizeof(frame));
		size = sizeof(frame) + (((uint64_t)frame.size + 7) & ~7ull);
		if (size > end - d->used) {
			d->more = 1;
			return;
		}
		ring_copy_out(b, r, d->out + d->used, size);
		r->tail += size;
		d->used += size;
		map->private->stats.records++;
	}
}

/* All CPUs in turn, each with at most those parts of the room and of the records. */
static void drain_round(struct vm_map *map, struct drain *d, uint64_t cap, uint64_t records)
{
	struct perf *b = map->private->state;

	for (uint32_t i = 0; i < map->n_cpus && d->records; i++)
		drain_ring(map, &b->rings[(b->first + i) % map->n_cpus], d, cap, records);
}

static int is_empty(const struct vm_map *map)
{
	const struct perf *b = map->private->state;

	for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++)
		if (b->rings[cpu].head != b->rings[cpu].tail)
			return 0;
	return 1;
}

static int64_t perf_drain(struct vm_map *map, void *out, uint64_t cap, uint64_t max_records)
{
	struct drain d = { .out = out, .cap = cap, .records = max_records };
	struct perf *b = map->private->state;

	drain_round(map, &d, cap / map->n_cpus, max_records / map->n_cpus + 1);
	if (!is_empty(map)) {
		d.more = 0;
		drain_round(map, &d, cap, max_records);
	}
	b->first = (b->first + 1) % map->n_cpus;
	if (is_empty(map))
		vm_wake_lower(&map->private->wake);
	return d.more && !d.used ? -ENOSPC : (int64_t)d.used;
}

static void let_go(struct vm_map *map)
{
	vm_lock(map->vm);
	map->private->released = 1;
	vm_unlock(map->vm);
}

const struct vm_map_ops vm_perf_ops = {
	.open = perf_open, .close = perf_close, .emit = perf_emit, .drain = perf_drain, .reset = let_go,
};
