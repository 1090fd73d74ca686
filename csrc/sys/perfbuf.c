/* A reader of a perf event array: takes the records of all CPUs, CPU by CPU or in the order of their times. */
#include "sys/perfbuf.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static const uint64_t SECOND = 1000000000;

/*
 * The kernel writes records before it moves data_head, and overwrites them once data_tail has passed them. Hence the
 * acquire on data_head and the release on data_tail.
 */
static void look_at(struct cpu_ring *r)
{
	r->ring.head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	r->ring.tail = r->page->data_tail;
}

static void look(struct perfbuf *b, struct cpu_ring *r)
{
	do {
		look_at(r);
	} while (r->ring.head == r->ring.tail && p2b_cpu_ring_next(b, r));
}

/* Takes records up to a time, until the batch has most records; programs get the room back step by step. */
static void take_from(struct cpu_ring *r, uint64_t until, struct p2b_batch *batch, uint64_t most)
{
	struct p2b_ring_stats now = p2b_stats_get(&r->stats);
	uint64_t cap = batch->cap, before;

	if (most < cap)
		batch->cap = most;
	do {
		before = r->ring.tail;
		if (before != r->ring.head && !p2b_batch_full(batch))
			p2b_perf_ring_walk(&r->ring, until, batch, &now);
		if (r->ring.tail != before)
			__atomic_store_n(&r->page->data_tail, r->ring.tail, __ATOMIC_RELEASE);
	} while (r->ring.tail != before);
	p2b_stats_put(&r->stats, &now);
	batch->cap = cap;
}

static void take_in_turn(struct perfbuf *b, struct p2b_batch *batch)
{
	uint64_t share = (batch->cap + b->n - 1) / b->n;

	for (uint32_t i = 0; i < 2 * b->n && !p2b_batch_full(batch); i++) {
		struct cpu_ring *r = &b->rings[(b->first + i) % b->n];
		uint64_t most = i < b->n ? batch->n + share : batch->cap;

		if (i < b->n)
			look(b, r);
		take_from(r, UINT64_MAX, batch, most);
	}
	b->first = (b->first + 1) % b->n;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/*
 * Returns the ring whose next record is the oldest, with the time up to which its records may be read: the oldest next
 * record of the other rings. An empty ring may get a record at any moment, so that nothing younger than horizon may be
 * read. NULL if no record may be read.
 */
static struct cpu_ring *oldest(struct perfbuf *b, uint64_t horizon, uint64_t *until)
{
	struct cpu_ring *found = NULL;
	uint64_t first = UINT64_MAX, second = UINT64_MAX;

	for (uint32_t i = 0; i < b->n; i++) {
		uint64_t time = p2b_perf_ring_time(&b->rings[i].ring);

		if (time == UINT64_MAX) {
			second = second < horizon ? second : horizon;
		} else if (time < first || !found) {
			second = second < first ? second : first;
			first = time;
			found = &b->rings[i];
		} else if (time < second) {
			second = time;
		}
	}
	*until = second;
	return first <= second ? found : NULL;
}

static void take_by_time(struct perfbuf *b, struct p2b_batch *batch)
{
	/* Read the clock before the rings: a record that is in no ring by then is younger, or late. */
	uint64_t at = now() - (uint64_t)b->ahead, horizon = p2b_reader_cancelled(&b->reader) ? UINT64_MAX - 1 : at - b->hold, until;
	struct cpu_ring *r;

	for (uint32_t i = 0; i < b->n; i++)
		look(b, &b->rings[i]);
	while (!p2b_batch_full(batch) && (r = oldest(b, horizon, &until)) != NULL)
		take_from(r, until, batch, batch->cap);
	/* After the last sample of a ring there may be other records, such as those that report lost ones. */
	for (uint32_t i = 0; i < b->n; i++)
		if (p2b_perf_ring_time(&b->rings[i].ring) == UINT64_MAX)
			take_from(&b->rings[i], UINT64_MAX, batch, batch->cap);
}

static void take(struct p2b_reader *reader, struct p2b_batch *batch)
{
	struct perfbuf *b = (struct perfbuf *)reader;

	if (b->hold)
		take_by_time(b, batch);
	else
		take_in_turn(b, batch);
	__atomic_store_n(&reader->more, p2b_batch_full(batch), __ATOMIC_RELAXED);
}

static void close_all(struct p2b_reader *reader)
{
	struct perfbuf *b = (struct perfbuf *)reader;

	p2b_cpu_rings_close(b);
	p2b_reader_shut(reader);
	if (b->map_fd >= 0)
		close(b->map_fd);
	free(b);
}

static const struct p2b_reader_ops ops = {
	.take = take, .stats = p2b_cpu_rings_stats, .revive = p2b_cpu_rings_revive, .close = close_all,
};

int p2b_perfbuf_create(int map_fd, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events, uint32_t watermark,
		       uint64_t hold, int64_t ahead, struct p2b_reader **ret)
{
	struct perfbuf *b;
	int err;

	*ret = NULL;
	if (!pages || pages & (pages - 1) || pages > P2B_PERF_PAGES_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b) + n_cpus * sizeof(b->rings[0]));
	if (!b)
		return -ENOMEM;
	b->hold = hold;
	b->ahead = ahead;
	b->n_cpus = n_cpus;
	b->page_size = (size_t)sysconf(_SC_PAGESIZE);
	b->size = (uint64_t)pages * b->page_size;
	err = p2b_reader_init(&b->reader, &ops);
	/* Our own descriptor of the same open file: when the file is closed, the map loses its rings. */
	b->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
	if (!err)
		err = b->map_fd < 0 ? -errno : p2b_cpu_rings_open(b, wakeup_events, watermark);
	if (err)
		close_all(&b->reader);
	else
		*ret = &b->reader;
	return err;
}

int p2b_perfbuf_make(struct p2b_handle *map, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events,
		     uint32_t watermark, uint64_t hold, int64_t ahead, struct p2b_handle *ret)
{
	struct p2b_reader *reader = NULL;
	int fd = p2b_hold(map), err;

	if (fd < 0)
		return fd;
	err = p2b_perfbuf_create(fd, n_cpus, pages, wakeup_events, watermark, hold, ahead, &reader);
	p2b_release(map);
	return p2b_own_reader(ret, reader, err);
}
