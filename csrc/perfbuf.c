/*
 * A reader of a perf event array: one ring per CPU that was online when the reader was made (records of CPUs that
 * come later are refused by the kernel, and the program sees that: -ENOENT). perf_event_open(2), bpf-helpers(7).
 */
#include "core.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)      /* Linux 6.0 */
#endif

enum { PAGES_MAX = 1 << 20, EVENTS = 16 };

struct cpu_ring {
	int fd;
	int counts_lost;        /* the event's own counter of lost records can be read */
	uint32_t cpu;
	struct perf_event_mmap_page *page;
	const uint8_t *data;
	struct p2b_ring_stats stats;
};

struct p2b_perfbuf {
	int map_fd, epoll_fd, cancel_fd, tick_fd;
	int cancelled, more;    /* more: the last drain left records that the kernel won't announce again */
	uint32_t n, first;      /* first: the ring whose turn it is */
	pid_t owner;            /* who made it: fork(2) copies this structure, but no mapping of a perf event */
	size_t page_size;
	uint64_t size;
	struct cpu_ring rings[];
};

/*
 * In a forked child the rings aren't mapped (something else may be, at their addresses), while the descriptors are the
 * parent's own: the map's elements, the eventfd and the timer must stay as they are.
 */
static int forked(const struct p2b_perfbuf *b)
{
	return b->owner != getpid();
}

static int ring_open(struct p2b_perfbuf *b, struct cpu_ring *r, struct perf_event_attr *attr)
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

static void ring_close(const struct p2b_perfbuf *b, const struct cpu_ring *r)
{
	if (!forked(b)) {
		p2b_map_delete(b->map_fd, &r->cpu);
		munmap(r->page, b->page_size + b->size);
	}
	close(r->fd);
}

static int watch(const struct p2b_perfbuf *b, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

/* Adds the CPU's ring; a CPU that is offline has none. */
static int add_cpu(struct p2b_perfbuf *b, uint32_t cpu, struct perf_event_attr *attr)
{
	struct cpu_ring *r = &b->rings[b->n];
	int err;

	*r = (struct cpu_ring){ .cpu = cpu };
	err = ring_open(b, r, attr);
	if (err)
		return err == -ENODEV ? 0 : err;
	b->n++;
	err = p2b_map_update(b->map_fd, &cpu, &r->fd, BPF_ANY);
	return err ? err : watch(b, r->fd);
}

static int open_all(struct p2b_perfbuf *b, uint32_t n_cpus, uint32_t wakeup_events, uint32_t watermark)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = watermark != 0,
	};
	int err;

	if (watermark)
		attr.wakeup_watermark = watermark;
	else
		attr.wakeup_events = wakeup_events;
	if (b->map_fd < 0 || b->epoll_fd < 0 || b->cancel_fd < 0)
		return -errno;
	err = watch(b, b->cancel_fd);
	for (uint32_t cpu = 0; !err && cpu < n_cpus; cpu++)
		err = add_cpu(b, cpu, &attr);
	return err || b->n ? err : -ENODEV;
}

int p2b_perfbuf_create(int map_fd, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events, uint32_t watermark,
		       struct p2b_perfbuf **ret)
{
	struct p2b_perfbuf *b;
	int err;

	*ret = NULL;
	if (!pages || pages & (pages - 1) || pages > PAGES_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b) + n_cpus * sizeof(b->rings[0]));
	if (!b)
		return -ENOMEM;
	b->owner = getpid();
	b->page_size = (size_t)sysconf(_SC_PAGESIZE);
	b->size = (uint64_t)pages * b->page_size;
	b->epoll_fd = b->cancel_fd = b->tick_fd = -1;
	/* Our own descriptor of the same open file: the kernel drops the rings from the map when that is closed. */
	b->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
	if (b->map_fd >= 0)
		b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll_fd >= 0)
		b->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = open_all(b, n_cpus, wakeup_events, watermark);
	if (err)
		p2b_perfbuf_destroy(b);
	else
		*ret = b;
	return err;
}

void p2b_perfbuf_destroy(struct p2b_perfbuf *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->n; i++)
		ring_close(b, &b->rings[i]);
	if (b->tick_fd >= 0)
		close(b->tick_fd);
	if (b->cancel_fd >= 0)
		close(b->cancel_fd);
	if (b->epoll_fd >= 0)
		close(b->epoll_fd);
	if (b->map_fd >= 0)
		close(b->map_fd);
	free(b);
}

/*
 * Reads one ring. The kernel writes records before it moves data_head, and writes over them once data_tail has
 * passed: hence acquire on the one and release on the other.
 */
static int64_t drain_ring(struct p2b_perfbuf *b, struct cpu_ring *r, void *out, uint64_t cap, uint64_t max_records)
{
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = r->page->data_tail;
	int64_t n;

	if (tail == head)
		return 0;
	n = p2b_ring_walk(r->data, b->size, &tail, head, r->cpu, out, cap, max_records, &r->stats);
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
	if (tail != head)
		__atomic_store_n(&b->more, 1, __ATOMIC_RELAXED);
	return n;
}

struct drain {
	uint8_t *out;
	uint64_t used, cap, records;
	int too_small;
};

/* One round over all rings, each with at most an n-th of the room that the call began with. */
static void drain_round(struct p2b_perfbuf *b, struct drain *d, uint64_t cap, uint64_t records)
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

static void tick_reset(const struct p2b_perfbuf *b)
{
	uint64_t ticks;

	/* Non-blocking: EAGAIN when it has not ticked since. */
	if (b->tick_fd >= 0 && read(b->tick_fd, &ticks, sizeof(ticks)) < 0)
		return;
}

int64_t p2b_perfbuf_drain(struct p2b_perfbuf *b, void *out, uint64_t cap, uint64_t max_records)
{
	struct drain d = { .out = out, .cap = cap, .records = max_records };

	if (forked(b))
		return -ECHILD;
	__atomic_store_n(&b->more, 0, __ATOMIC_RELAXED);
	tick_reset(b);
	if (cap > INT64_MAX)
		return -EINVAL;
	drain_round(b, &d, cap / b->n, max_records / b->n + 1);
	if (__atomic_exchange_n(&b->more, 0, __ATOMIC_RELAXED)) {
		d.too_small = 0;
		drain_round(b, &d, cap, max_records);
	}
	if (!d.records)         /* not every ring was looked at */
		__atomic_store_n(&b->more, 1, __ATOMIC_RELAXED);
	b->first = (b->first + 1) % b->n;
	return d.too_small && !d.used ? -ENOSPC : (int64_t)d.used;
}

int p2b_perfbuf_wait(struct p2b_perfbuf *b, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = 0, err = 0;

	if (forked(b))
		return -ECHILD;
	if (!__atomic_load_n(&b->cancelled, __ATOMIC_ACQUIRE) && !__atomic_load_n(&b->more, __ATOMIC_RELAXED)) {
		n = epoll_wait(b->epoll_fd, events, EVENTS, timeout_ms);
		err = n < 0 ? -errno : 0;
	} else {
		n = 1;
	}
	if (__atomic_load_n(&b->cancelled, __ATOMIC_ACQUIRE))
		return -ECANCELED;
	return err ? err : n > 0;
}

void p2b_perfbuf_cancel(struct p2b_perfbuf *b)
{
	uint64_t one = 1;
	int saved = errno;

	if (forked(b))
		return;
	__atomic_store_n(&b->cancelled, 1, __ATOMIC_RELEASE);
	/* Fails only when the counter is full, and then the waiters are awake already. */
	if (write(b->cancel_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

int p2b_perfbuf_fd(const struct p2b_perfbuf *b)
{
	return forked(b) ? -ECHILD : b->epoll_fd;
}

int p2b_perfbuf_tick(struct p2b_perfbuf *b, uint32_t ms)
{
	struct timespec every = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	struct itimerspec timer = { .it_interval = every, .it_value = every };

	if (forked(b))
		return -ECHILD;
	if (b->tick_fd < 0) {
		int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		int err = fd < 0 ? -errno : watch(b, fd);

		if (err) {
			if (fd >= 0)
				close(fd);
			return err;
		}
		b->tick_fd = fd;
	}
	return timerfd_settime(b->tick_fd, 0, &timer, NULL) ? -errno : 0;
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

int p2b_perfbuf_stats(const struct p2b_perfbuf *b, struct p2b_ring_stats *ret)
{
	*ret = (struct p2b_ring_stats){ 0 };
	if (forked(b))
		return -ECHILD;
	for (uint32_t i = 0; i < b->n; i++)
		add(ret, &b->rings[i]);
	return 0;
}

int p2b_perfbuf_cpu_stats(const struct p2b_perfbuf *b, uint32_t cpu, struct p2b_ring_stats *ret)
{
	*ret = (struct p2b_ring_stats){ 0 };
	if (forked(b))
		return -ECHILD;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->rings[i].cpu == cpu) {
			add(ret, &b->rings[i]);
			return 0;
		}
	}
	return -ENOENT;
}
