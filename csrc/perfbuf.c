/*
 * A reader of a perf event array: one ring per CPU that was online when the reader was made (records of CPUs that
 * come later are refused by the kernel, and the program sees that: -ENOENT). perf_event_open(2), bpf-helpers(7).
 */
#include "reader.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)      /* Linux 6.0 */
#endif

enum { PAGES_MAX = 1 << 20 };

static const uint64_t SECOND = 1000000000;

struct cpu_ring {
	int fd;
	int counts_lost;        /* the event's own counter of lost records can be read */
	struct perf_event_mmap_page *page;
	struct p2b_perf_ring ring;
	struct p2b_ring_stats stats;
};

struct perfbuf {
	struct p2b_reader reader;
	int map_fd;
	uint32_t n, first;      /* first: the ring whose turn it is */
	size_t page_size;
	uint64_t size;
	uint64_t hold;          /* 0: the records of the CPUs aren't merged by time */
	struct cpu_ring rings[];
};

static int ring_open(struct perfbuf *b, struct cpu_ring *r, struct perf_event_attr *attr)
{
	void *mem;

	attr->read_format = PERF_FORMAT_LOST;
	r->fd = p2b_perf_event_open(attr, -1, (int)r->ring.cpu, -1, 0);
	r->counts_lost = r->fd >= 0;
	if (r->fd == -EINVAL) {
		attr->read_format = 0;
		r->fd = p2b_perf_event_open(attr, -1, (int)r->ring.cpu, -1, 0);
	}
	if (r->fd < 0)
		return r->fd;
	mem = mmap(NULL, b->page_size + b->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (mem == MAP_FAILED) {
		int err = -errno;

		close(r->fd);
		return err;
	}
	r->page = mem;
	r->ring.data = (const uint8_t *)mem + b->page_size;
	return 0;
}

/* In a forked child the rings aren't mapped (something else may be, at their addresses); the map is the parent's. */
static void ring_close(const struct perfbuf *b, const struct cpu_ring *r)
{
	if (!p2b_reader_forked(&b->reader)) {
		p2b_map_delete(b->map_fd, &r->ring.cpu);
		munmap(r->page, b->page_size + b->size);
	}
	close(r->fd);
}

/* Adds the CPU's ring; a CPU that is offline has none. */
static int add_cpu(struct perfbuf *b, uint32_t cpu, struct perf_event_attr *attr)
{
	struct cpu_ring *r = &b->rings[b->n];
	int err;

	*r = (struct cpu_ring){ .ring = { .size = b->size, .cpu = cpu, .timed = b->hold != 0 } };
	err = ring_open(b, r, attr);
	if (err)
		return err == -ENODEV ? 0 : err;
	b->n++;
	err = p2b_map_update(b->map_fd, &cpu, &r->fd, BPF_ANY);
	return err ? err : p2b_reader_watch(&b->reader, r->fd);
}

static int open_all(struct perfbuf *b, uint32_t n_cpus, uint32_t wakeup_events, uint32_t watermark)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW | (b->hold ? PERF_SAMPLE_TIME : 0),
		.use_clockid = b->hold != 0,
		.clockid = CLOCK_MONOTONIC,
		.sample_period = 1,
		.watermark = watermark != 0,
	};
	int err = 0;

	if (watermark)
		attr.wakeup_watermark = watermark;
	else
		attr.wakeup_events = wakeup_events;
	for (uint32_t cpu = 0; !err && cpu < n_cpus; cpu++)
		err = add_cpu(b, cpu, &attr);
	return err || b->n ? err : -ENODEV;
}

static void close_all(struct p2b_reader *reader)
{
	struct perfbuf *b = (struct perfbuf *)reader;

	for (uint32_t i = 0; i < b->n; i++)
		ring_close(b, &b->rings[i]);
	p2b_reader_shut(reader);
	if (b->map_fd >= 0)
		close(b->map_fd);
	free(b);
}

/*
 * The kernel writes records before it moves data_head, and writes over them once data_tail has passed: hence acquire on
 * the one and release on the other.
 */
static void look(struct cpu_ring *r)
{
	r->ring.head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	r->ring.tail = r->page->data_tail;
}

/* Takes records up to a time, until the batch has most of them; programs get the room back step by step. */
static void take_from(struct cpu_ring *r, uint64_t until, struct p2b_batch *batch, uint64_t most)
{
	uint64_t cap = batch->cap, before;

	if (most < cap)
		batch->cap = most;
	do {
		before = r->ring.tail;
		if (before != r->ring.head && !p2b_batch_full(batch))
			p2b_perf_ring_walk(&r->ring, until, batch, &r->stats);
		if (r->ring.tail != before)
			__atomic_store_n(&r->page->data_tail, r->ring.tail, __ATOMIC_RELEASE);
	} while (r->ring.tail != before);
	batch->cap = cap;
}

static void take_in_turn(struct perfbuf *b, struct p2b_batch *batch)
{
	uint64_t share = (batch->cap + b->n - 1) / b->n;

	for (uint32_t i = 0; i < 2 * b->n && !p2b_batch_full(batch); i++) {
		struct cpu_ring *r = &b->rings[(b->first + i) % b->n];
		uint64_t most = i < b->n ? batch->n + share : batch->cap;

		if (i < b->n)
			look(r);
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
 * The ring whose next record is the oldest, and until when it may be read: while it is older than the other rings' next
 * ones. A ring that has none may get one any moment: then nothing younger than horizon is sure. NULL: nothing is.
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
	/* Before the look at the rings: what is in none of them by then is younger, or late. */
	uint64_t at = now(), horizon = p2b_reader_cancelled(&b->reader) ? UINT64_MAX - 1 : at - b->hold, until;
	struct cpu_ring *r;

	for (uint32_t i = 0; i < b->n; i++)
		look(&b->rings[i]);
	while (!p2b_batch_full(batch) && (r = oldest(b, horizon, &until)) != NULL)
		take_from(r, until, batch, batch->cap);
	/* Behind the last sample of a ring there may be other records, such as those that tell of lost ones. */
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

/*
 * The event's own counter knows of every record that found no room; a PERF_RECORD_LOST is only written in front of the
 * next record that does.
 */
static uint64_t lost_of(const struct cpu_ring *r)
{
	uint64_t counters[2];   /* the event's value, then lost records */

	if (r->counts_lost && read(r->fd, counters, sizeof(counters)) == sizeof(counters))
		return counters[1];
	return r->stats.lost;
}

static void add(struct p2b_ring_stats *sum, const struct cpu_ring *r)
{
	sum->records += r->stats.records;
	sum->lost += lost_of(r);
	sum->corrupt += r->stats.corrupt;
}

static int stats(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret)
{
	const struct perfbuf *b = (const struct perfbuf *)reader;
	int found = cpu < 0;

	for (uint32_t i = 0; i < b->n; i++) {
		if (cpu >= 0 && b->rings[i].ring.cpu != cpu)
			continue;
		add(ret, &b->rings[i]);
		found = 1;
	}
	return found ? 0 : -ENOENT;
}

static const struct p2b_reader_ops ops = { .take = take, .stats = stats, .close = close_all };

int p2b_perfbuf_create(int map_fd, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events, uint32_t watermark,
		       uint64_t hold, struct p2b_reader **ret)
{
	struct perfbuf *b;
	int err;

	*ret = NULL;
	if (!pages || pages & (pages - 1) || pages > PAGES_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b) + n_cpus * sizeof(b->rings[0]));
	if (!b)
		return -ENOMEM;
	b->hold = hold;
	b->page_size = (size_t)sysconf(_SC_PAGESIZE);
	b->size = (uint64_t)pages * b->page_size;
	err = p2b_reader_init(&b->reader, &ops);
	/* Our own descriptor of the same open file: the kernel drops the rings from the map when that is closed. */
	b->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
	if (!err)
		err = b->map_fd < 0 ? -errno : open_all(b, n_cpus, wakeup_events, watermark);
	if (err)
		close_all(&b->reader);
	else
		*ret = &b->reader;
	return err;
}
