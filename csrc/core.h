/* What every file of the C core includes. */
#ifndef P2B_CORE_H
#define P2B_CORE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

/* A pointer as the kernel's 64-bit attributes want it. */
static inline uint64_t p2b_ptr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

#endif
