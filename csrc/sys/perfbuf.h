/* The inside of a perf event array's reader: the rings of its CPUs. */
#ifndef P2B_PERFBUF_H
#define P2B_PERFBUF_H

#include "common/reader.h"

#include <linux/perf_event.h>
#include <pthread.h>

/* The ring of one of the CPU's events. */
struct cpu_ring {
	int fd;
	int counts_lost;        /* the event's own counter of lost records can be read */
	struct perf_event_mmap_page *page;
	struct p2b_perf_ring ring;
	struct p2b_ring_stats stats;
	struct p2b_ring_stats before;   /* of the CPU's earlier rings */
	struct cpu_ring *next;  /* if the CPU came back: the ring that programs write to, read once this one is empty */
};

struct perfbuf {
	struct p2b_reader reader;
	pthread_mutex_t rings_lock;     /* for stats() while rings open or close; takes and revivals never overlap */
	struct perf_event_attr attr;
	int map_fd;
	uint32_t n_cpus;
	uint32_t n, first;      /* first: the ring whose turn it is */
	size_t page_size;
	uint64_t size;
	uint64_t hold;          /* 0: the records of the CPUs aren't merged by time */
	int64_t ahead;          /* how far our CLOCK_MONOTONIC is ahead of the kernel's, which times the records */
	struct cpu_ring rings[];
};

/* Opens the rings of all CPUs that are online. 0 or -errno; call p2b_cpu_rings_close in either case. */
int p2b_cpu_rings_open(struct perfbuf *b, uint32_t wakeup_events, uint32_t watermark);
void p2b_cpu_rings_close(struct perfbuf *b);

/* If the CPU went and came back, goes on from its empty ring to the next one. */
int p2b_cpu_ring_next(struct perfbuf *b, struct cpu_ring *r);

/* See struct p2b_reader_ops. */
int p2b_cpu_rings_revive(struct p2b_reader *reader);
int p2b_cpu_rings_stats(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret);

/* p2b_perfbuf_make() of api/queues.h, with the reader in place of its handle. */
int p2b_perfbuf_create(int map_fd, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events, uint32_t watermark,
		       uint64_t hold, int64_t ahead, struct p2b_reader **ret);

#endif
