/* The embedded VM's helper functions, which vm/helpers/rows.h lists, and the formatter of text. */
#ifndef P2B_VM_HELPERS_H
#define P2B_VM_HELPERS_H

#include "vm/budget.h"
#include "vm/helpers/rows.h"
#include "vm/mem.h"

#define VM_DECLARE(number, types, kinds, function) vm_helper function;
VM_HELPER_ROWS(VM_DECLARE)
#undef VM_DECLARE

/*
 * Formats as bpf_trace_printk and bpf_snprintf do, at most cap bytes including the NUL. Returns the length of the whole
 * text without the NUL, or -EINVAL for formats that the kernel refuses. format has n_format bytes, the last a NUL.
 */
int64_t vm_format(struct vm_state *state, char *out, uint64_t cap, const char *format, uint64_t n_format,
		  const uint64_t *args, uint32_t n_args);

#endif
