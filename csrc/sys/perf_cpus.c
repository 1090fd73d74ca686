/*
 * The rings of CPUs, which come and go. A CPU that comes online has no ring until p2b_cpu_rings_revive (the program's
 * helper returns -ENOENT). A CPU that goes offline ends its event for good (-EOPNOTSUPP when the CPU is back).
 * perf_event_open(2), bpf-helpers(7), cpu hotplug in kernel/events/core.c.
 */
#include "sys/perfbuf.h"
#include "sys/calls.h"

#include <linux/bpf.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)      /* Linux 6.0 */
#endif

/* What read(2) returns for an event; before Linux 6.0 without the last counter. */
struct counters {
	uint64_t value, enabled, lost;
};

static int event_open(struct perfbuf *b, struct cpu_ring *r)
{
	b->attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_LOST;
	r->fd = p2b_perf_event_open(&b->attr, -1, (int)r->ring.cpu, -1, 0);
	r->counts_lost = r->fd >= 0;
	if (r->fd == -EINVAL) {
		b->attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
		r->fd = p2b_perf_event_open(&b->attr, -1, (int)r->ring.cpu, -1, 0);
	}
	return r->fd < 0 ? r->fd : 0;
}

static void ring_unmap(const struct perfbuf *b, const struct cpu_ring *r)
{
	munmap(r->page, b->page_size + b->size);
	close(r->fd);
}

/* Opens a ring for the CPU, puts its event into the map, and watches it. -ENODEV: the CPU is offline. */
static int ring_open(struct perfbuf *b, uint32_t cpu, struct cpu_ring *r)
{
	void *mem;
	int err;

	*r = (struct cpu_ring){ .ring = { .size = b->size, .cpu = cpu, .timed = b->hold != 0 } };
	err = event_open(b, r);
	if (err)
		return err;
	mem = mmap(NULL, b->page_size + b->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (mem == MAP_FAILED) {
		err = -errno;
		close(r->fd);
		return err;
	}
	r->page = mem;
	r->ring.data = (const uint8_t *)mem + b->page_size;
	err = p2b_reader_watch(&b->reader, r->fd);
	if (!err)
		err = p2b_element(BPF_MAP_UPDATE_ELEM, b->map_fd, &cpu, &r->fd, BPF_ANY);
	if (err)
		ring_unmap(b, r);
	return err;
}

/* In a forked child the rings aren't mapped, other memory may be at their addresses, and the map is the parent's. */
static void rings_close(const struct perfbuf *b, const struct cpu_ring *first)
{
	const int forked = p2b_reader_forked(&b->reader);
	const struct cpu_ring *r = first;

	if (!forked)
		p2b_element(BPF_MAP_DELETE_ELEM, b->map_fd, &first->ring.cpu, NULL, 0);
	while (r) {
		struct cpu_ring *next = r->next;

		if (forked)
			close(r->fd);
		else
			ring_unmap(b, r);
		if (r != first)
			free((void *)r);
		r = next;
	}
}

/* Adds the CPU's first ring, unless the CPU is offline. */
static int add_cpu(struct perfbuf *b, uint32_t cpu)
{
	struct cpu_ring made;
	int err = ring_open(b, cpu, &made);

	if (err)
		return err == -ENODEV ? 0 : err;
	pthread_mutex_lock(&b->rings_lock);
	b->rings[b->n++] = made;
	pthread_mutex_unlock(&b->rings_lock);
	return 1;
}

int p2b_cpu_rings_open(struct perfbuf *b, uint32_t wakeup_events, uint32_t watermark)
{
	int err = 0;

	pthread_mutex_init(&b->rings_lock, NULL);
	b->attr = (struct perf_event_attr){
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(b->attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW | (b->hold ? PERF_SAMPLE_TIME : 0),
		.use_clockid = b->hold != 0,
		.clockid = CLOCK_MONOTONIC,
		.sample_period = 1,
		.watermark = watermark != 0,
	};
	if (watermark)
		b->attr.wakeup_watermark = watermark;
	else
		b->attr.wakeup_events = wakeup_events;
	for (uint32_t cpu = 0; err >= 0 && cpu < b->n_cpus; cpu++)
		err = add_cpu(b, cpu);
	return err < 0 ? err : b->n ? 0 : -ENODEV;
}

void p2b_cpu_rings_close(struct perfbuf *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		rings_close(b, &b->rings[i]);
	pthread_mutex_destroy(&b->rings_lock);
}

static struct cpu_ring *ring_of(struct perfbuf *b, uint32_t cpu)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->rings[i].ring.cpu == cpu)
			return &b->rings[i];
	return NULL;
}

/* Whether the event's CPU went offline: the time for which the event was enabled stands still then. */
static int is_dead(const struct cpu_ring *r)
{
	struct counters then = { 0 }, now = { 0 };
	const ssize_t least = offsetof(struct counters, lost);

	return read(r->fd, &then, sizeof(then)) >= least && read(r->fd, &now, sizeof(now)) >= least &&
	       then.enabled == now.enabled;
}

/* Opens a new ring for a CPU that has come back, to be read after its earlier rings. */
static int reopen(struct perfbuf *b, struct cpu_ring *last)
{
	struct cpu_ring *made = malloc(sizeof(*made));
	int err = made ? ring_open(b, last->ring.cpu, made) : -ENOMEM;

	if (err) {
		free(made);
		return err == -ENODEV ? 0 : err;
	}
	epoll_ctl(b->reader.epoll_fd, EPOLL_CTL_DEL, last->fd, NULL);
	pthread_mutex_lock(&b->rings_lock);
	last->next = made;
	pthread_mutex_unlock(&b->rings_lock);
	return 1;
}

int p2b_cpu_rings_revive(struct p2b_reader *reader)
{
	struct perfbuf *b = (struct perfbuf *)reader;
	int opened = 0;

	for (uint32_t cpu = 0; cpu < b->n_cpus; cpu++) {
		struct cpu_ring *r = ring_of(b, cpu);
		int got;

		while (r && r->next)
			r = r->next;
		if (r && !is_dead(r))
			continue;
		got = r ? reopen(b, r) : add_cpu(b, cpu);
		if (got < 0)
			return got;
		opened += got;
	}
	return opened;
}

/*
 * The event's own counter includes every record that found no room. A PERF_RECORD_LOST is written only before the next
 * record that finds room.
 */
static uint64_t lost_of(const struct cpu_ring *r, const struct p2b_ring_stats *taken)
{
	struct counters counters;

	if (r->counts_lost && read(r->fd, &counters, sizeof(counters)) == sizeof(counters))
		return counters.lost;
	return taken->lost;
}

static void add(struct p2b_ring_stats *sum, const struct cpu_ring *r)
{
	const struct p2b_ring_stats taken = p2b_stats_get(&r->stats);

	sum->records += r->before.records + taken.records;
	sum->lost += r->before.lost + lost_of(r, &taken);
	sum->corrupt += r->before.corrupt + taken.corrupt;
}

int p2b_cpu_rings_stats(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret)
{
	struct perfbuf *b = (struct perfbuf *)reader;
	int found = cpu < 0;

	pthread_mutex_lock(&b->rings_lock);
	for (uint32_t i = 0; i < b->n; i++) {
		if (cpu >= 0 && b->rings[i].ring.cpu != cpu)
			continue;
		for (const struct cpu_ring *r = &b->rings[i]; r; r = r->next)
			add(ret, r);
		found = 1;
	}
	pthread_mutex_unlock(&b->rings_lock);
	return found ? 0 : -ENOENT;
}

int p2b_cpu_ring_next(struct perfbuf *b, struct cpu_ring *r)
{
	struct cpu_ring *next = r->next;

	if (!next)
		return 0;
	pthread_mutex_lock(&b->rings_lock);
	add(&next->before, r);
	ring_unmap(b, r);
	*r = *next;
	pthread_mutex_unlock(&b->rings_lock);
	free(next);
	return 1;
}
