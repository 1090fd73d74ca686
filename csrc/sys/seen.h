/* A set of keys, all of one size. */
#ifndef P2B_SEEN_H
#define P2B_SEEN_H

#include "common/core.h"

/* An empty set is all zeros except for the size. */
struct p2b_seen {
	uint32_t key_size;
	uint8_t *keys;
	uint32_t *table;
	uint32_t count, places;
};

/* Adds a key. 1: the key is new; 0: it was there; or -errno. */
int p2b_seen_add(struct p2b_seen *seen, const uint8_t *key);
int p2b_seen_has(const struct p2b_seen *seen, const uint8_t *key);
void p2b_seen_free(struct p2b_seen *seen);

#endif
