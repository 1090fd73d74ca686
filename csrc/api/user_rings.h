/* Writers of user ring buffers. */

/*
 * The writer of a BPF user ring buffer of size bytes (a power of two): programs take the records out, in order. A handle
 * owns it. One thread at a time sends or peeks; in a forked child all is -ECHILD.
 */
int p2b_uring_make(struct p2b_handle *map, uint64_t size, struct p2b_handle *ret);

/* 0; -ENOSPC: no room now; -E2BIG: it never fits; -EIO: the positions are nonsense. */
int p2b_uring_send(struct p2b_handle *ring, const void *data, uint32_t size);

/*
 * Copies the first record at or behind *position that no program has taken yet, and moves *position behind it; 0 where
 * there is none, -ENOSPC where it has more than cap bytes, else its size. With take no program will get it.
 */
int64_t p2b_uring_peek(struct p2b_handle *ring, uint64_t *position, void *out, uint64_t cap, int take);

/* The bytes that programs have not read yet, headers included. */
int64_t p2b_uring_waiting(struct p2b_handle *ring);

/* Waits until a record of size bytes may have room: 1, or another look is worth while; 0 after timeout_ms (-1: no
 * limit); -EINTR; -ECANCELED once p2b_uring_cancel was called, by any thread or signal handler. */
int p2b_uring_wait(struct p2b_handle *ring, uint32_t size, int timeout_ms);
void p2b_uring_cancel(struct p2b_handle *ring);
