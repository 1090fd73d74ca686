/* Readers of event queues: of perf event arrays, ring buffers, and queues of the embedded VM. */

/*
 * Where drains put records: size bytes each, one after another. Longer records are cut. Of shorter ones, those of least
 * bytes or more get zeros at their end, and the others are refused: they are gone, and counted here.
 *
 * What perf knows of a record's size is what the program wrote and the padding that makes it, plus 4, divisible by 8 (a
 * 4-byte record: 4; 8: 12; 32: 36).
 */
struct p2b_batch {
	void *out;              /* room for cap records */
	uint64_t cap;
	uint32_t size, least;
	uint32_t *cpus;         /* NULL, or room for cap numbers: who wrote each (0 in ring buffers) */
	uint32_t *sizes;        /* NULL, or room for cap numbers: what size each had */
	uint64_t n;             /* out: records that were put */
	uint64_t refused;       /* out, and of the first of them: */
	uint32_t refused_cpu, refused_size;
};

/* Counters of a reader. */
struct p2b_ring_stats {
	uint64_t records;       /* delivered */
	uint64_t lost;          /* found no room; before Linux 6.0 known only when a later record on that CPU did */
	uint64_t corrupt;       /* records whose sizes contradict each other: passed over; and refused ones */
};

/*
 * A reader of an event queue: of a perf event array, a ring buffer, or a queue of the embedded VM. A handle owns it.
 *
 * It belongs to the process that made it. In a child that fork(2) made, closing closes the child's descriptors and
 * leaves the parent's reader alone, cancelling does nothing, and everything else returns -ECHILD.
 */

/*
 * Takes waiting records, at most cap: what was there when the call began, so it ends however fast programs write. They
 * get the room back meanwhile. Returns 0, also where nothing was there, or -EINVAL for a batch that holds nothing. One
 * thread at a time.
 */
int p2b_queue_take(struct p2b_handle *queue, struct p2b_batch *batch);

/*
 * Waits until records are there: 1; 0 after timeout_ms (-1: no limit); -EINTR after a signal; -ECANCELED once
 * p2b_queue_cancel was called. Records that wait for a later wake-up (wakeup_events, watermark) don't count.
 */
int p2b_queue_wait(struct p2b_handle *queue, int timeout_ms);

/* From any thread, also a signal handler: ends this and every later wait. Taking still works, and holds nothing back. */
void p2b_queue_cancel(struct p2b_handle *queue);

/*
 * Gives ret the reader once more, with a descriptor that polls readable when records are there or the reader was
 * cancelled, for event loops: take them when it does, without a wait in between (asking takes the kernel's wake-up
 * mark). It is there until ret is closed, also when the queue is closed.
 */
int p2b_queue_poll(struct p2b_handle *queue, struct p2b_handle *ret);

/*
 * Makes that descriptor readable every ms milliseconds until the next drain, whether or not records are there (0: no
 * more): for what isn't announced.
 */
int p2b_queue_tick(struct p2b_handle *queue, uint32_t ms);

/*
 * Makes buffers for the CPUs that came online since the queue was made, or went and came back: records are refused there
 * until then, which programs see as -ENOENT and -EOPNOTSUPP. Gives how many were made. What the earlier buffers hold is
 * still delivered, before what comes later on that CPU. No other thread takes records meanwhile.
 */
int p2b_queue_revive(struct p2b_handle *queue);

/* Sums over all CPUs, or of one (-ENOENT where it has no buffer of its own); cpu -1: of all. */
int p2b_queue_stats(struct p2b_handle *queue, int64_t cpu, struct p2b_ring_stats *ret);

/*
 * Reads a perf event array: a ring of pages (a power of two) data pages for every online CPU below n_cpus, in the map
 * at the CPU's index; p2b_queue_revive() adds those that come. The reader is woken after wakeup_events records of a CPU,
 * or, when watermark is not 0, after that many bytes. Records are FIFO per CPU, an equal share of the room for every CPU first.
 *
 * With hold other than 0 the records of all CPUs come in the order of their times (CLOCK_MONOTONIC, taken when a program
 * begins to write one). One stays in its ring until every CPU has a later one there, or until it is hold nanoseconds
 * old: a program that takes longer than that to write one is too late, and its record comes behind younger ones. The
 * times are the kernel's; ahead is how many nanoseconds this process's clock is ahead of that, in a time namespace.
 */
int p2b_perfbuf_make(struct p2b_handle *map, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events,
		     uint32_t watermark, uint64_t hold, int64_t ahead, struct p2b_handle *ret);

/*
 * Reads a BPF ring buffer of size bytes: as records were reserved, up to the first that isn't submitted. Which
 * records are announced is up to the programs that write them. It counts no lost records: only programs see them.
 */
int p2b_ringbuf_make(struct p2b_handle *map, uint64_t size, struct p2b_handle *ret);

/* A perf ring in plain memory: size bytes (a power of two) at data, records from tail to head. */
struct p2b_perf_ring {
	const void *data;
	uint64_t size, tail, head;
	uint32_t cpu;
	uint32_t timed;         /* samples have times */
};

/*
 * Takes records while there is room, some tens of kB at most, and moves the tail behind them; of samples with times,
 * up to the first that is later than until. Never reads outside of data, whatever it holds.
 */
void p2b_perf_ring_walk(struct p2b_perf_ring *ring, uint64_t until, struct p2b_batch *batch,
			struct p2b_ring_stats *stats);

/* The time of the next sample, UINT64_MAX where there is none; 0 in front of what a walk will give up. */
uint64_t p2b_perf_ring_time(const struct p2b_perf_ring *ring);

/*
 * Likewise for a ring buffer: data is the ring of size bytes (a power of two) twice in a row, with records from
 * *position to end. A record that isn't submitted yet ends the walk.
 */
void p2b_ringbuf_walk(const void *data, uint64_t size, uint64_t *position, uint64_t end, struct p2b_batch *batch,
		      struct p2b_ring_stats *stats);
