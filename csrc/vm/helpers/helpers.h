/* The embedded VM's helper functions that aren't about packets: their table is vm/helpers/table.c's. */
#ifndef P2B_VM_HELPERS_H
#define P2B_VM_HELPERS_H

#include "vm/budget.h"
#include "vm/mem.h"

/* vm/helpers/maps.c */
vm_helper vm_map_lookup_elem, vm_map_update_elem, vm_map_delete_elem, vm_map_lookup_percpu_elem;
vm_helper vm_map_push_elem, vm_map_pop_elem, vm_map_peek_elem, vm_spin_lock, vm_spin_unlock;

/* vm/helpers/events.c */
vm_helper vm_perf_event_output, vm_ringbuf_output, vm_ringbuf_reserve, vm_ringbuf_submit, vm_ringbuf_discard;
vm_helper vm_ringbuf_query, vm_perf_event_output_skb, vm_user_ringbuf_drain, vm_dynptr_read;

/* vm/helpers/strings.c */
vm_helper vm_probe_read, vm_probe_read_user, vm_probe_read_kernel;
vm_helper vm_probe_read_str, vm_probe_read_user_str, vm_probe_read_kernel_str;
vm_helper vm_strncmp, vm_strtol, vm_strtoul, vm_snprintf, vm_trace_printk, vm_trace_vprintk;

/* vm/helpers/misc.c */
vm_helper vm_jiffies64, vm_get_prandom_u32, vm_get_smp_processor_id, vm_get_current_pid_tgid;
vm_helper vm_get_current_uid_gid, vm_get_current_comm, vm_get_ns_current_pid_tgid, vm_ktime_get_ns;
vm_helper vm_ktime_get_boot_ns, vm_ktime_get_coarse_ns, vm_ktime_get_tai_ns, vm_zero, vm_one;
vm_helper vm_not_there, vm_invalid, vm_not_permitted, vm_no_operation, vm_no_support;

/* vm/callback.c */
vm_helper vm_loop;

/*
 * Formats as bpf_trace_printk and bpf_snprintf do, at most cap bytes with the NUL. Returns the length without it that
 * the whole text has, or -EINVAL for what the kernel refuses. format has n_format bytes, its NUL is the last.
 */
int64_t vm_format(struct vm_state *state, char *out, uint64_t cap, const char *format, uint64_t n_format,
		  const uint64_t *args, uint32_t n_args);

#endif
