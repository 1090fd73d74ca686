/* The embedded VM's helper functions that aren't about packets. */
#ifndef P2B_VM_HELPERS_H
#define P2B_VM_HELPERS_H

#include "vm/state.h"

/* vm/helpers/maps.c */
vm_helper vm_map_lookup_elem, vm_map_update_elem, vm_map_delete_elem, vm_map_lookup_percpu_elem;
vm_helper vm_map_push_elem, vm_map_pop_elem, vm_map_peek_elem, vm_spin_lock, vm_spin_unlock;
vm_helper vm_perf_event_output, vm_ringbuf_output, vm_ringbuf_reserve, vm_ringbuf_submit, vm_ringbuf_discard;
vm_helper vm_ringbuf_query, vm_perf_event_output_skb;

/* vm/helpers/strings.c */
vm_helper vm_probe_read, vm_probe_read_user, vm_probe_read_kernel;
vm_helper vm_probe_read_str, vm_probe_read_user_str, vm_probe_read_kernel_str;
vm_helper vm_strncmp, vm_strtol, vm_strtoul, vm_snprintf, vm_trace_printk, vm_trace_vprintk;

/* vm/kfuncs.c */
vm_helper vm_loop, vm_user_ringbuf_drain, vm_dynptr_read;

#endif
