/* How records lie in ring buffers and user ring buffers: a header of 8 bytes, and their own, rounded up to 8. */
#ifndef P2B_VM_MAP_RECORDS_H
#define P2B_VM_MAP_RECORDS_H

#include <stdint.h>

enum { VM_RECORD_HEADER = 8 };          /* BPF_RINGBUF_HDR_SZ */
#define VM_RECORD_BUSY (1u << 31)       /* BPF_RINGBUF_BUSY_BIT */
#define VM_RECORD_DISCARD (1u << 30)    /* BPF_RINGBUF_DISCARD_BIT */

static inline uint64_t vm_record_length(uint64_t size)
{
	return VM_RECORD_HEADER + ((size + 7) & ~7ull);
}

#endif
