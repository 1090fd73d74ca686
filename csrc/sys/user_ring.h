/* p2b_uring_send() and its neighbours of api/user_rings.h, with the writer in place of its handle. */
#ifndef P2B_USERRING_H
#define P2B_USERRING_H

#include "common/core.h"

struct p2b_user_ring;
int p2b_user_ring_create(int map_fd, uint64_t size, struct p2b_user_ring **ret);
void p2b_user_ring_destroy(struct p2b_user_ring *ring);
int p2b_user_ring_send(struct p2b_user_ring *ring, const void *data, uint32_t size);
int64_t p2b_user_ring_peek(struct p2b_user_ring *ring, uint64_t *position, void *out, uint64_t cap, int take);
uint64_t p2b_user_ring_waiting(const struct p2b_user_ring *ring);
int p2b_user_ring_wait(struct p2b_user_ring *ring, uint32_t size, int timeout_ms);
void p2b_user_ring_cancel(struct p2b_user_ring *ring);

#endif
