/* Event queues of the embedded VM as user space reads them. */
#include "common/reader.h"
#include "vm/map/ops.h"

struct queue {
	struct p2b_reader reader;
	struct vm_map *map;     /* held */
};

static struct vm_map *map_of(const struct p2b_reader *reader)
{
	return ((const struct queue *)reader)->map;
}

static void take(struct p2b_reader *reader, struct p2b_batch *batch)
{
	struct vm_map *map = map_of(reader);
	struct p2b_ring_stats *stats = &map->private->stats;

	vm_lock(map->vm);
	map->private->ops->take(map, batch);
	stats->records += batch->n;
	stats->corrupt += batch->refused;
	vm_unlock(map->vm);
}

static int stats(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret)
{
	struct vm_map *map = map_of(reader);
	int err = 0;

	vm_lock(map->vm);
	if (cpu < 0)
		*ret = map->private->stats;
	else
		err = map->private->ops->cpu_stats ? map->private->ops->cpu_stats(map, (uint32_t)cpu, ret) : -ENOENT;
	vm_unlock(map->vm);
	return err;
}

static void close_queue(struct p2b_reader *reader)
{
	struct vm_map *map = map_of(reader);

	p2b_reader_shut(reader);
	free(reader);
	vm_map_release(map);
}

static const struct p2b_reader_ops ops = { .take = take, .stats = stats, .close = close_queue };

int vm_queue_read(struct vm_map *map, uint32_t pages, uint32_t ordered, struct p2b_reader **ret)
{
	struct queue *q;
	int err;

	*ret = NULL;
	if (!map->private->ops->take)
		return -EINVAL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->map = map;
	vm_map_hold(map);
	err = p2b_reader_init(&q->reader, &ops);
	if (!err && map->private->ops->begin_reading)
		err = map->private->ops->begin_reading(map, pages, ordered != 0);
	if (!err)
		err = p2b_reader_watch(&q->reader, map->private->wake.fd);
	if (err)
		close_queue(&q->reader);
	else
		*ret = &q->reader;
	return err;
}
