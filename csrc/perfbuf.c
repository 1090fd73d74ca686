/*
 * A reader of a perf event array: one ring per CPU that was online when the reader was made (records of CPUs that
 * come later are refused by the kernel, and the program sees that: -ENOENT). perf_event_open(2), bpf-helpers(7).
 */
#include "reader.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)      /* Linux 6.0 */
#endif

enum { PAGES_MAX = 1 << 20 };

struct cpu_ring {
	int fd;
	int counts_lost;        /* the event's own counter of lost records can be read */
	uint32_t cpu;
	struct perf_event_mmap_page *page;
	const uint8_t *data;
	struct p2b_ring_stats stats;
};

struct perfbuf {
	struct p2b_reader reader;
	int map_fd;
	uint32_t n, first;      /* first: the ring whose turn it is */
	size_t page_size;
	uint64_t size;
	struct cpu_ring rings[];
};

static int ring_open(struct perfbuf *b, struct cpu_ring *r, struct perf_event_attr *attr)
{
	void *mem;

	attr->read_format = PERF_FORMAT_LOST;
	r->fd = p2b_perf_event_open(attr, -1, (int)r->cpu, -1, 0);
	r->counts_lost = r->fd >= 0;
	if (r->fd == -EINVAL) {
		attr->read_format = 0;
		r->fd = p2b_perf_event_open(attr, -1, (int)r->cpu, -1, 0);
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
	r->data = (const uint8_t *)mem + b->page_size;
	return 0;
}

/* In a forked child the rings aren't mapped (something else may be, at their addresses); the map is the parent's. */
static void ring_close(const struct perfbuf *b, const struct cpu_ring *r)
{
	if (!p2b_reader_forked(&b->reader)) {
		p2b_map_delete(b->map_fd, &r->cpu);
		munmap(r->page, b->page_size + b->size);
	}
	close(r->fd);
}

/* Adds the CPU's ring; a CPU that is offline has none. */
static int add_cpu(struct perfbuf *b, uint32_t cpu, struct perf_event_attr *attr)
{
	struct cpu_ring *r = &b->rings[b->n];
	int err;

	*r = (struct cpu_ring){ .cpu = cpu };
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
		.sample_type = PERF_SAMPLE_RAW,
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
 * Reads one ring. The kernel writes records before it moves data_head, and writes over them once data_tail has
 * passed: hence acquire on the one and release on the other.
 */
static int64_t drain_ring(struct perfbuf *b, struct cpu_ring *r, void *out, uint64_t cap, uint64_t max_records)
{
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = r->page->data_tail;
	int64_t n;

	if (tail == head)
		return 0;
	n = p2b_ring_walk(r->data, b->size, &tail, head, r->cpu, out, cap, max_records, &r->stats);
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
	if (tail != head)
		__atomic_store_n(&b->reader.more, 1, __ATOMIC_RELAXED);
	return n;
}

struct drain {
	uint8_t *out;
	uint64_t used, cap, records;
	int too_small;
};

/* One round over all rings, each with at most an n-th of the room that the call began with. */
static void drain_round(struct perfbuf *b, struct drain *d, uint64_t cap, uint64_t records)
{
	for (uint32_t i = 0; i < b->n && d->records; i++) {
		struct cpu_ring *r = &b->rings[(b->first + i) % b->n];
		uint64_t before = r->stats.records, room = d->cap - d->used;
		int64_t n = drain_ring(b, r, d->out + d->used, cap < room ? cap : room,
				       records < d->records ? records : d->records);

		if (n > 0)
			d->used += (uint64_t)n;
		else if (n == -ENOSPC)
			d->too_small = 1;
		d->records -= r->stats.records - before;
	}
}

static int64_t drain_all(struct p2b_reader *reader, void *out, uint64_t cap, uint64_t max_records)
{
	struct perfbuf *b = (struct perfbuf *)reader;
	struct drain d = { .out = out, .cap = cap, .records = max_records };

	__atomic_store_n(&reader->more, 0, __ATOMIC_RELAXED);
	drain_round(b, &d, cap / b->n, max_records / b->n + 1);
	if (__atomic_exchange_n(&reader->more, 0, __ATOMIC_RELAXED)) {
		d.too_small = 0;
		drain_round(b, &d, cap, max_records);
	}
	if (!d.records)         /* not every ring was looked at */
		__atomic_store_n(&reader->more, 1, __ATOMIC_RELAXED);
	b->first = (b->first + 1) % b->n;
	return d.too_small && !d.used ? -ENOSPC : (int64_t)d.used;
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
		if (cpu >= 0 && b->rings[i].cpu != cpu)
			continue;
		add(ret, &b->rings[i]);
		found = 1;
	}
	return found ? 0 : -ENOENT;
}

static const struct p2b_reader_ops ops = { .drain = drain_all, .stats = stats, .close = close_all };

int p2b_perfbuf_create(int map_fd, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events, uint32_t watermark,
		       struct p2b_reader **ret)
{
	struct perfbuf *b;
	int err;

	*ret = NULL;
	if (!pages || pages & (pages - 1) || pages > PAGES_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b) + n_cpus * sizeof(b->rings[0]));
	if (!b)
		return -ENOMEM;
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
