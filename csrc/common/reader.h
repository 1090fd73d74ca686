/* Readers of event queues, inside: what those of perf buffers, ring buffers and the embedded VM have in common. */
#ifndef P2B_READER_H
#define P2B_READER_H

#include "common/batch.h"

#include <sys/types.h>

struct p2b_reader;

/* What a kind of reader does; none is called in a forked child but close. */
struct p2b_reader_ops {
	void (*take)(struct p2b_reader *reader, struct p2b_batch *batch);
	int (*stats)(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret);       /* cpu -1: of all */
	int (*revive)(struct p2b_reader *reader);       /* see p2b_queue_revive(); NULL: there is nothing to do */
	void (*close)(struct p2b_reader *reader);       /* gives back everything, the reader's memory last */
};

/* The first member of every kind's own structure. */
struct p2b_reader {
	const struct p2b_reader_ops *ops;
	uint32_t refs;          /* who holds it: its handle, and whoever watches its descriptor */
	int epoll_fd, cancel_fd;
	int tick_fd;            /* -1 until somebody asks for it; atomic, as the next three */
	int cancelled;
	int more;               /* the last drain left records that nobody will announce again */
	int busy;               /* it stopped at a record that is still being written, and is announced all the time */
	pid_t owner;            /* who made it: fork(2) copies this structure, while descriptors are shared */
};

/* Makes the descriptors. 0 or -errno; p2b_reader_shut in any case. */
int p2b_reader_init(struct p2b_reader *reader, const struct p2b_reader_ops *ops);
void p2b_reader_shut(struct p2b_reader *reader);

/* Has waits end when fd is readable. */
int p2b_reader_watch(const struct p2b_reader *reader, int fd);

/* In a forked child nothing may be drained, and the parent's descriptors must stay as they are. */
int p2b_reader_forked(const struct p2b_reader *reader);
int p2b_reader_cancelled(const struct p2b_reader *reader);

/* Counters that whoever takes records changes, one thread at a time, and others read meanwhile. */
static inline void p2b_stats_put(struct p2b_ring_stats *shared, const struct p2b_ring_stats *now)
{
	__atomic_store_n(&shared->records, now->records, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->lost, now->lost, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->corrupt, now->corrupt, __ATOMIC_RELAXED);
}

static inline struct p2b_ring_stats p2b_stats_get(const struct p2b_ring_stats *shared)
{
	return (struct p2b_ring_stats){
		.records = __atomic_load_n(&shared->records, __ATOMIC_RELAXED),
		.lost = __atomic_load_n(&shared->lost, __ATOMIC_RELAXED),
		.corrupt = __atomic_load_n(&shared->corrupt, __ATOMIC_RELAXED),
	};
}

/* What api.h says of p2b_queue_take() and its neighbours, of the reader itself. */
void p2b_reader_hold(struct p2b_reader *reader);
void p2b_reader_destroy(struct p2b_reader *reader);      /* releases it */
int p2b_reader_take(struct p2b_reader *reader, struct p2b_batch *batch);
int p2b_reader_wait(struct p2b_reader *reader, int timeout_ms);
void p2b_reader_cancel(struct p2b_reader *reader);
int p2b_reader_fd(const struct p2b_reader *reader);
int p2b_reader_tick(struct p2b_reader *reader, uint32_t ms);
int p2b_reader_revive(struct p2b_reader *reader);
int p2b_reader_stats(struct p2b_reader *reader, struct p2b_ring_stats *ret);
int p2b_reader_cpu_stats(struct p2b_reader *reader, uint32_t cpu, struct p2b_ring_stats *ret);

/* Gives ret a reader to own, or hands the error through. */
int p2b_own_reader(struct p2b_handle *ret, struct p2b_reader *reader, int err);

#endif
