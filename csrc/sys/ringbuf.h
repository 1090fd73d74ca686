/* p2b_ringbuf_make() of api/queues.h, with the reader in place of its handle. */
#ifndef P2B_RINGBUF_H
#define P2B_RINGBUF_H

#include "common/reader.h"

int p2b_ringbuf_create(int map_fd, uint64_t size, struct p2b_reader **ret);

#endif
