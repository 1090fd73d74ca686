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

/* The kernel's own ENOTSUPP ("not supported"), which user-space headers lack. */
enum { P2B_ENOTSUPP = 524 };

/* The most data pages of a perf ring, in the kernel and in the embedded VM. */
enum { P2B_PERF_PAGES_MAX = 1 << 20 };

/* struct bpf_insn without bit fields, with the codes of 64-bit immediates and calls for encoding and relocation. */
struct slot {
	uint8_t code;
	uint8_t regs;
	int16_t off;
	int32_t imm;
};

enum {
	CODE_LD64 = 0x18,
	PSEUDO_MAP_FD = 1,
	PSEUDO_MAP_VALUE = 2,
	PSEUDO_FUNC = 4,
	CODE_CALL = 0x85,
	PSEUDO_CALL = 1,
	PSEUDO_KFUNC_CALL = 2,
};

/*
 * Holds a handle. Returns its descriptor, 0 for an object, or the error of a closed or empty handle. Call p2b_release()
 * after a result >= 0.
 */
int p2b_hold(struct p2b_handle *handle);
void p2b_release(struct p2b_handle *handle);

/* Gives ret the descriptor fd to own; on failure, closes fd. A negative fd is an error, which this returns. */
int p2b_handle_adopt(struct p2b_handle *ret, int fd);

/* Gives ret an object to own, or destroys it on failure; fd is 0, or the object's descriptor for watchers. */
int p2b_own_object(struct p2b_handle *ret, void *object, void (*destroy)(void *object), int fd);

/* Converts a pointer for the kernel's 64-bit attributes. */
static inline uint64_t p2b_ptr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

#endif
