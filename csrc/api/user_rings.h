/* Writers of user ring buffers. */

/*
 * Makes the writer of a BPF user ring buffer of size bytes (a power of two), whose records programs take in order. Only
 * one thread at a time may send or peek; in a forked child everything returns -ECHILD.
 */
int p2b_uring_make(struct p2b_handle *map, uint64_t size, struct p2b_handle *ret);

/* 0; -ENOSPC: no room now; -E2BIG: the record never fits; -EIO: the ring's positions are inconsistent. */
int p2b_uring_send(struct p2b_handle *ring, const void *data, uint32_t size);

/*
 * Copies the first record at or behind *position that no program has taken yet, and moves *position behind it. Returns
 * its size, 0 if there is none, or -ENOSPC if it has more than cap bytes. With take, no program will get the record.
 */
int64_t p2b_uring_peek(struct p2b_handle *ring, uint64_t *position, void *out, uint64_t cap, int take);

/* The bytes that programs have not read yet, headers included. */
int64_t p2b_uring_waiting(struct p2b_handle *ring);

/*
 * Waits for room. Returns 1 if a record of size bytes may fit now: try again; 0 after timeout_ms (-1: no limit);
 * -EINTR; -ECANCELED once p2b_uring_cancel was called, by any thread or signal handler.
 */
int p2b_uring_wait(struct p2b_handle *ring, uint32_t size, int timeout_ms);
void p2b_uring_cancel(struct p2b_handle *ring);
