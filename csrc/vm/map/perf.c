/*
 * Perf event arrays: a ring of frames for every CPU. A frame is exactly as long as its record would be in the kernel's
 * ring (8 bytes of header, 4 of size, the data, all rounded up to 8), so that as many fit. In rings that are merged by
 * time, frames have 8 more bytes, as in the kernel.
 */
#include <unistd.h>

#include "common/batch.h"
#include "vm/map/ops.h"

enum { SIZE_FIELD = 4 };

struct frame {
	uint32_t number;        /* of all frames in the order of writing: wraps */
	uint32_t size;
};

struct perf_ring {
	uint8_t *data;
	uint64_t head, tail;    /* count bytes for ever */
	struct p2b_ring_stats stats;
};

struct perf {
	uint64_t size;          /* of each ring, a power of two */
	int ordered;
	uint32_t written;       /* the number of the next frame */
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
		vm_free(b->rings[cpu].data, b->size);
	free(b);
}

static int make_rings(struct vm_map *map, uint64_t size, int ordered)
{
	struct perf *b = calloc(1, sizeof(*b) + map->n_cpus * sizeof(b->rings[0]));
	int err;

	if (!b)
		return -ENOMEM;
	b->size = size;
	b->ordered = ordered;
	map->private->state = b;
	for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++) {
		b->rings[cpu].data = vm_alloc(size);
		if (!b->rings[cpu].data)
			return -ENOMEM;
	}
	err = vm_wake_open(&map->private->wake);
	return err;
}

/* Gives the map its rings; -EBUSY if it has them already. */
static int perf_begin_reading(struct vm_map *map, uint32_t pages, int ordered)
{
	int err = -EBUSY;

	if (!pages || pages & (pages - 1) || pages > P2B_PERF_PAGES_MAX)
		return -EINVAL;
	vm_lock(map->vm);
	if (!map->private->state) {
		err = make_rings(map, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE), ordered);
		if (err) {
			perf_close(map);
			map->private->state = NULL;
		}
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

static void ring_copy_out(const struct perf *b, const struct perf_ring *r, uint64_t at, void *to, uint64_t n)
{
	uint64_t begin = at & (b->size - 1);
	uint64_t first = n < b->size - begin ? n : b->size - begin;

	memcpy(to, r->data + begin, first);
	if (n > first)
		memcpy((uint8_t *)to + first, r->data, n - first);
}

/* From one frame to the next. */
static uint64_t frame_length(const struct perf *b, uint32_t size)
{
	return sizeof(struct frame) + (((uint64_t)size + 7) & ~7ull) + (b->ordered ? sizeof(uint64_t) : 0);
}

static int perf_emit(struct vm_map *map, uint32_t cpu, const void *data, uint32_t size)
{
	static const uint8_t zeros[24];
	struct vm_map_private *p = map->private;
	struct perf *b = p->state;
	uint64_t room = (((uint64_t)size + SIZE_FIELD + 7) & ~7ull) - SIZE_FIELD, length;
	struct frame frame = { .size = (uint32_t)room };
	struct perf_ring *r;

	if (cpu >= map->n_cpus || cpu >= map->max_entries || sizeof(frame) + room + SIZE_FIELD > VM_PERF_RECORD_MAX)
		return -E2BIG;
	if (!b || p->released)
		return -ENOENT;
	r = &b->rings[cpu];
	length = frame_length(b, frame.size);
	if (r->head - r->tail + length > b->size) {
		p->stats.lost++;
		r->stats.lost++;
		return -ENOSPC;
	}
	frame.number = b->written++;
	ring_copy_in(b, r, &frame, sizeof(frame));
	ring_copy_in(b, r, data, size);
	ring_copy_in(b, r, zeros, length - sizeof(frame) - size);
	vm_wake_raise(&p->wake);
	return 0;
}

static struct frame next_frame(const struct perf *b, const struct perf_ring *r)
{
	struct frame frame;

	ring_copy_out(b, r, r->tail, &frame, sizeof(frame));
	return frame;
}

static void take_one(const struct perf *b, struct perf_ring *r, struct p2b_batch *batch)
{
	const struct frame frame = next_frame(b, r);
	uint8_t *to = p2b_batch_next(batch, (uint32_t)(r - b->rings), frame.size, batch->size);

	if (to)
		ring_copy_out(b, r, r->tail + sizeof(frame), to, frame.size < batch->size ? frame.size : batch->size);
	r->stats.records += !!to;
	r->stats.corrupt += !to;
	r->tail += frame_length(b, frame.size);
}

/* Takes records of one CPU after the other; at first each has an equal share of the room. */
static void take_in_turn(struct vm_map *map, struct p2b_batch *batch)
{
	struct perf *b = map->private->state;
	uint64_t share = (batch->cap + map->n_cpus - 1) / map->n_cpus;

	for (uint32_t i = 0; i < 2 * map->n_cpus && !p2b_batch_full(batch); i++) {
		struct perf_ring *r = &b->rings[(b->first + i) % map->n_cpus];
		uint64_t before = batch->n;

		while (r->head != r->tail && !p2b_batch_full(batch) && (i >= map->n_cpus || batch->n - before < share))
			take_one(b, r, batch);
	}
	b->first = (b->first + 1) % map->n_cpus;
}

/* Takes the oldest frame of all CPUs, again and again. Frame numbers wrap, but there are far fewer frames at a time. */
static void take_in_order(struct vm_map *map, struct p2b_batch *batch)
{
	struct perf *b = map->private->state;

	while (!p2b_batch_full(batch)) {
		struct perf_ring *oldest = NULL;
		uint32_t age = 0;

		for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++) {
			struct perf_ring *r = &b->rings[cpu];

			if (r->head != r->tail && b->written - next_frame(b, r).number > age) {
				age = b->written - next_frame(b, r).number;
				oldest = r;
			}
		}
		if (!oldest)
			return;
		take_one(b, oldest, batch);
	}
}

static int is_empty(const struct vm_map *map)
{
	const struct perf *b = map->private->state;

	for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++)
		if (b->rings[cpu].head != b->rings[cpu].tail)
			return 0;
	return 1;
}

static void perf_take(struct vm_map *map, struct p2b_batch *batch)
{
	const struct perf *b = map->private->state;

	if (b->ordered)
		take_in_order(map, batch);
	else
		take_in_turn(map, batch);
	if (is_empty(map))
		vm_wake_lower(&map->private->wake);
}

static int perf_cpu_stats(struct vm_map *map, uint32_t cpu, struct p2b_ring_stats *ret)
{
	const struct perf *b = map->private->state;

	if (cpu >= map->n_cpus)
		return -ENOENT;
	*ret = b->rings[cpu].stats;
	return 0;
}

static void perf_reset(struct vm_map *map)
{
	vm_lock(map->vm);
	map->private->released = 1;
	vm_unlock(map->vm);
}

const struct vm_map_ops vm_perf_ops = {
	.open = perf_open, .close = perf_close, .emit = perf_emit, .begin_reading = perf_begin_reading, .take = perf_take,
	.cpu_stats = perf_cpu_stats, .reset = perf_reset,
};
