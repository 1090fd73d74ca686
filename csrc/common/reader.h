/* What the readers of perf buffers, ring buffers and the embedded VM's queues have in common. */
#ifndef P2B_READER_H
#define P2B_READER_H

#include "common/batch.h"

#include <sys/types.h>

struct p2b_reader;

/* The operations of a kind of reader. In a forked child only close is called. */
struct p2b_reader_ops {
	void (*take)(struct p2b_reader *reader, struct p2b_batch *batch);
	int (*stats)(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret);       /* cpu -1: of all */
	int (*revive)(struct p2b_reader *reader);       /* see p2b_queue_revive(); NULL: there is nothing to do */
	void (*close)(struct p2b_reader *reader);       /* releases everything, the reader's memory last */
};

/* The first member of every kind's own structure. */
struct p2b_reader {
	const struct p2b_reader_ops *ops;
	uint32_t refs;          /* one for each handle: the queue's, and those of its descriptor's watchers */
	int epoll_fd, cancel_fd;
	int tick_fd;            /* -1 until somebody asks for it; atomic, as the next three are */
	int cancelled;
	int more;               /* the last drain left records that nobody will announce again */
	int busy;               /* the last drain stopped at an unfinished record, which keeps the ring readable */
	pid_t owner;            /* the process that made it: fork(2) copies this structure, but shares descriptors */
};

/* Makes the descriptors. 0 or -errno; call p2b_reader_shut in either case. */
int p2b_reader_init(struct p2b_reader *reader, const struct p2b_reader_ops *ops);
void p2b_reader_shut(struct p2b_reader *reader);

/* Makes waits end when fd is readable. */
int p2b_reader_watch(const struct p2b_reader *reader, int fd);

/* Whether this is a forked child, which must not drain anything nor change the parent's descriptors. */
int p2b_reader_forked(const struct p2b_reader *reader);
int p2b_reader_cancelled(const struct p2b_reader *reader);

/* Counters that one thread at a time changes while it takes records, and that other threads read meanwhile. */
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

/* p2b_queue_take() and its neighbours of api/queues.h, with the reader in place of its handle. */
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

/* Gives ret the reader to own, or returns err if that isn't 0. */
int p2b_own_reader(struct p2b_handle *ret, struct p2b_reader *reader, int err);

#endif
