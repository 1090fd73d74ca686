/* The C core's own tests: built with sanitizers and run by test_sanitized.py. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "common/core.h"

#define CHECK(condition)                                                                       \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);        \
			exit(1);                                                               \
		}                                                                              \
	} while (0)

/* xorshift64*: the same numbers every time. */
static inline uint64_t random_u64(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

void check_encode(void);
void check_ring(void);
void check_ringbuf(void);
void check_userring(void);
void check_maps(void);
void check_vm_fuzz(void);
void check_vmmaps(void);
void check_btf(void);
void check_pcap(void);
void check_threads(void);

#endif
