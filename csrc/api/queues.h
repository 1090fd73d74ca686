/* Readers of event queues: of perf event arrays, ring buffers, and queues of the embedded VM. */

/*
 * Where drains put records: size bytes each, one after another. Longer records are cut. Shorter ones are padded with
 * zeros if they have at least least bytes; else they are refused, which means lost, and counted here.
 *
 * In a perf event array, a record's size includes the padding that makes size + 4 divisible by 8 (a record of 4 bytes
 * has size 4; of 8 bytes, 12; of 32 bytes, 36).
 */
struct p2b_batch {
	void *out;              /* room for cap records */
	uint64_t cap;
	uint32_t size, least;
	uint32_t *cpus;         /* NULL, or room for cap numbers: which CPU wrote each record (0 in ring buffers) */
	uint32_t *sizes;        /* NULL, or room for cap numbers: each record's size in the queue */
	uint64_t n;             /* out: records in the batch */
	uint64_t refused;       /* out: refused records; the CPU and size of the first follow */
	uint32_t refused_cpu, refused_size;
};

/* Counters of a reader. */
struct p2b_ring_stats {
	uint64_t records;       /* delivered */
	uint64_t lost;          /* found no room; before Linux 6.0, counted once a later record of the CPU found room */
	uint64_t corrupt;       /* skipped because of inconsistent sizes, or refused */
};

/*
 * A handle owns a reader of an event queue: of a perf event array, a ring buffer, or a queue of the embedded VM.
 *
 * The reader belongs to the process that made it. In a forked child, closing closes the child's descriptors and leaves
 * the parent's reader alone, cancelling does nothing, and everything else returns -ECHILD.
 */

/*
 * Takes at most cap of the records that are there when the call begins, so that the call ends however fast programs
 * write. Programs get the room back meanwhile. Returns 0, also without records, or -EINVAL for a batch without room.
 * One thread at a time.
 */
int p2b_queue_take(struct p2b_handle *queue, struct p2b_batch *batch);

/*
 * Waits for records. Returns 1 if there are some; 0 after timeout_ms (-1: no limit); -EINTR after a signal; -ECANCELED
 * once p2b_queue_cancel was called. Records that wait for a later wake-up (wakeup_events, watermark) don't count.
 */
int p2b_queue_wait(struct p2b_handle *queue, int timeout_ms);

/* Ends the current and all later waits; from any thread or signal handler. Later takes hold no records back. */
void p2b_queue_cancel(struct p2b_handle *queue);

/*
 * For event loops: makes ret another owner of the reader, with a descriptor that polls readable when there are records
 * or the reader was cancelled. Take the records then, without a wait in between, which would consume the kernel's
 * wake-up mark. The descriptor exists until ret is closed, even if the queue is closed first.
 */
int p2b_queue_poll(struct p2b_handle *queue, struct p2b_handle *ret);

/*
 * Makes the descriptor of p2b_queue_poll readable every ms milliseconds until the next drain, with or without records
 * (0: no longer): for records that nobody announces.
 */
int p2b_queue_tick(struct p2b_handle *queue, uint32_t ms);

/*
 * Makes buffers for CPUs that came online since the queue was made, or went offline and came back. Until then programs
 * can't write there: they get -ENOENT or -EOPNOTSUPP. Returns how many buffers were made. Records in a CPU's earlier
 * buffers are delivered before those in its new one. No other thread may take records meanwhile.
 */
int p2b_queue_revive(struct p2b_handle *queue);

/* The counters of one CPU (-ENOENT if it has no buffer of its own), or with cpu -1 the sums over all CPUs. */
int p2b_queue_stats(struct p2b_handle *queue, int64_t cpu, struct p2b_ring_stats *ret);

/*
 * Reads a perf event array. Every online CPU below n_cpus gets a ring of pages (a power of two) data pages, in the map
 * at the CPU's index; p2b_queue_revive() adds rings for CPUs that come later. The reader is woken after wakeup_events
 * records of a CPU or, if watermark isn't 0, after so many bytes. Records are FIFO per CPU. Each batch first gives
 * every CPU an equal share of its room.
 *
 * If hold isn't 0, the records of all CPUs come in the order of their times (CLOCK_MONOTONIC, taken when a program
 * begins to write a record). A record stays in its ring until every CPU has a later one there, or until it is hold
 * nanoseconds old. If a program takes longer than hold to write a record, the record comes after younger ones. The
 * times are those of the kernel; in a time namespace this process's clock is ahead of them by ahead nanoseconds.
 */
int p2b_perfbuf_make(struct p2b_handle *map, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events,
		     uint32_t watermark, uint64_t hold, int64_t ahead, struct p2b_handle *ret);

/*
 * Reads a BPF ring buffer of size bytes, in the order in which records were reserved, up to the first that isn't
 * submitted. Programs decide which records are announced. Lost records aren't counted: only programs see them.
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
 * Takes records while the batch has room, some tens of kB at most, and moves the tail behind them. Stops at a sample
 * whose time is later than until. Never reads outside of data, whatever data holds.
 */
void p2b_perf_ring_walk(struct p2b_perf_ring *ring, uint64_t until, struct p2b_batch *batch,
			struct p2b_ring_stats *stats);

/* The time of the next sample, UINT64_MAX if there is none, or 0 if the ring is corrupt there. */
uint64_t p2b_perf_ring_time(const struct p2b_perf_ring *ring);

/*
 * The same for a ring buffer: data is the ring of size bytes (a power of two), twice in a row, with records from
 * *position to end. A record that isn't submitted yet ends the walk.
 */
void p2b_ringbuf_walk(const void *data, uint64_t size, uint64_t *position, uint64_t end, struct p2b_batch *batch,
		      struct p2b_ring_stats *stats);
