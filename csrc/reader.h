/* Readers of event queues, inside: what those of perf buffers, ring buffers and the embedded VM have in common. */
#ifndef P2B_READER_H
#define P2B_READER_H

#include "batch.h"

#include <sys/types.h>

/* What a kind of reader does; none is called in a forked child but close. */
struct p2b_reader_ops {
	void (*take)(struct p2b_reader *reader, struct p2b_batch *batch);
	int (*stats)(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret);       /* cpu -1: of all */
	void (*close)(struct p2b_reader *reader);       /* gives back everything, the reader's memory last */
};

/* The first member of every kind's own structure. */
struct p2b_reader {
	const struct p2b_reader_ops *ops;
	int epoll_fd, cancel_fd, tick_fd;
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

#endif
