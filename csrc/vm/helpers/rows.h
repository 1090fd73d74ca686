/*
 * The embedded VM's helper functions by number (enum bpf_func_id), a row for each: _(number, types of programs for
 * which the kernel offers the helper, kinds of arguments, function). Helpers about things that the machine lacks
 * (cgroups, routes, stacks) answer as a kernel without these things.
 *
 * A number may have two rows, for different types of programs. These kinds of arguments are checked before the call: c
 * the context, n the context or NULL, p a perf event array, s a map of stack traces, r and w memory to read or write,
 * whose size comes next. The functions check their other arguments.
 */
#ifndef P2B_VM_HELPER_ROWS_H
#define P2B_VM_HELPER_ROWS_H

#define VM_HELPER_ROWS(_) \
	_(1, ANY, "", vm_map_lookup_elem) \
	_(2, ANY, "", vm_map_update_elem) \
	_(3, ANY, "", vm_map_delete_elem) \
	_(4, TRACE, "", vm_probe_read) \
	_(5, ANY, "", vm_ktime_get_ns) \
	_(6, ANY, "", vm_trace_printk) \
	_(7, ANY, "", vm_get_prandom_u32) \
	_(8, ANY, "", vm_get_smp_processor_id) \
	_(9, TC | XMIT, "c", vm_skb_store_bytes) \
	_(10, TC | XMIT, "c", vm_l3_csum_replace) \
	_(11, TC | XMIT, "c", vm_l4_csum_replace) \
	_(13, TC | XMIT, "c", vm_invalid) /* clone_redirect: there is no device */ \
	_(14, ANY, "", vm_get_current_pid_tgid) \
	_(15, ANY, "", vm_get_current_uid_gid) \
	_(16, ANY, "", vm_get_current_comm) \
	_(17, SKB, "c", vm_zero) /* get_cgroup_classid: of the packet */ \
	_(18, TC, "c", vm_skb_vlan_push) \
	_(19, TC, "c", vm_skb_vlan_pop) \
	_(22, ANY, "p", vm_not_there) /* perf_event_read */ \
	_(23, TC | XMIT, "", vm_redirect) \
	_(24, TC | LWT, "c", vm_zero) /* get_route_realm */ \
	_(26, SKB, "c", vm_skb_load_bytes) \
	_(27, TRACE, "cs", vm_no_operation) /* get_stackid */ \
	_(28, TC | LWT | XDP, "", vm_csum_diff) \
	_(32, TC, "c", vm_skb_change_type) \
	_(34, TC | LWT, "c", vm_get_hash_recalc) \
	_(35, ANY, "", vm_zero) /* get_current_task */ \
	_(36, TRACE, "-r", vm_not_permitted) /* probe_write_user */ \
	_(38, TC | XMIT, "c", vm_skb_change_tail) \
	_(39, TC | LWT, "c", vm_skb_pull_data) \
	_(40, TC | XMIT, "c", vm_no_support) /* csum_update: no device computed a checksum */ \
	_(41, TC | XMIT, "c", vm_set_hash_invalid) \
	_(42, ANY, "", vm_zero) /* get_numa_node_id */ \
	_(43, TC | XMIT, "c", vm_skb_change_head) \
	_(44, XDP, "c", vm_xdp_adjust_head) \
	_(45, TRACE, "", vm_probe_read_str) \
	_(46, SOCKET | TC | CGROUP, "c", vm_one) /* get_socket_cookie */ \
	_(47, SOCKET | TC | CGROUP, "c", vm_zero) /* get_socket_uid */ \
	_(48, TC, "c", vm_set_hash) \
	_(50, TC, "c", vm_skb_adjust_room) \
	_(54, XDP, "c", vm_xdp_adjust_meta) \
	_(58, KPROBE, "c", vm_zero) /* override_return */ \
	_(65, XDP, "c", vm_xdp_adjust_tail) \
	_(67, TRACE, "cw", vm_no_operation) /* get_stack */ \
	_(68, SOCKET | TC | CGROUP, "c", vm_skb_load_bytes_relative) \
	_(79, TC | CGROUP, "c", vm_zero) /* skb_cgroup_id */ \
	_(80, ANY, "", vm_one) /* get_current_cgroup_id: the root's */ \
	_(83, TC | CGROUP, "c", vm_zero) /* skb_ancestor_cgroup_id */ \
	_(87, ANY, "", vm_map_push_elem) \
	_(88, ANY, "", vm_map_pop_elem) \
	_(89, ANY, "", vm_map_peek_elem) \
	_(93, SKB | XDP, "", vm_spin_lock) \
	_(94, SKB | XDP, "", vm_spin_unlock) \
	_(97, TC | CGROUP, "c", vm_skb_ecn_set_ce) \
	_(105, ANY, "", vm_strtol) \
	_(106, ANY, "", vm_strtoul) \
	_(109, ANY, "", vm_not_permitted) /* send_signal */ \
	_(112, ANY, "", vm_probe_read_user) \
	_(113, ANY, "", vm_probe_read_kernel) \
	_(114, ANY, "", vm_probe_read_user_str) \
	_(115, ANY, "", vm_probe_read_kernel_str) \
	_(117, ANY, "", vm_not_permitted) /* send_signal_thread */ \
	_(118, ANY, "", vm_jiffies64) \
	_(120, ANY, "", vm_get_ns_current_pid_tgid) \
	_(122, SOCKET | TC | CGROUP, "n", vm_one) /* get_netns_cookie */ \
	_(123, ANY, "", vm_zero) /* get_current_ancestor_cgroup_id */ \
	_(125, ANY, "", vm_ktime_get_boot_ns) \
	_(130, ANY, "", vm_ringbuf_output) \
	_(131, ANY, "", vm_ringbuf_reserve) \
	_(132, ANY, "", vm_ringbuf_submit) \
	_(133, ANY, "", vm_ringbuf_discard) \
	_(134, ANY, "", vm_ringbuf_query) \
	_(135, TC | XMIT, "c", vm_csum_level) \
	_(148, TRACE, "", vm_probe_read_user) /* copy_from_user */ \
	_(151, TC, "c", vm_zero) /* skb_cgroup_classid */ \
	_(152, TC, "", vm_redirect_neigh) \
	_(155, TC, "", vm_redirect_peer) \
	_(160, SKB | XDP, "", vm_ktime_get_coarse_ns) \
	_(165, ANY, "", vm_snprintf) \
	_(173, TRACE, "c", vm_zero) /* get_func_ip */ \
	_(174, TRACE, "c", vm_zero) /* get_attach_cookie */ \
	_(177, ANY, "", vm_trace_vprintk) \
	_(181, ANY, "", vm_loop) \
	_(182, ANY, "", vm_strncmp) \
	_(188, XDP, "c", vm_xdp_get_buff_len) \
	_(189, XDP, "c", vm_xdp_load_bytes) \
	_(190, XDP, "c", vm_xdp_store_bytes) \
	_(195, ANY, "", vm_map_lookup_percpu_elem) \
	_(201, ANY, "", vm_dynptr_read) \
	_(208, ANY, "", vm_ktime_get_tai_ns) \
	_(209, ANY, "", vm_user_ringbuf_drain) \
	/* These differ between types of programs. */ \
	_(25, TRACE, "c", vm_perf_event_output) \
	_(25, SKB | XDP, "c", vm_perf_event_output_skb) /* perf_event_output */ \
	_(23, XDP, "", vm_xdp_redirect) /* redirect */ \
	_(17, TRACE | XDP, "", vm_zero) /* get_cgroup_classid: of the current task, whatever the argument */

#endif
