/*
 * The embedded VM's helper functions by number (enum bpf_func_id), a row for each. What the machine has nothing to tell
 * about (cgroups, routes, stacks) has the answer that a kernel without them gives.
 */
#include "vm/prog_types.h"
#include "vm/helpers/helpers.h"
#include "vm/helpers/packets.h"

/* Sets of program types: which helpers the kernel offers to which. The LWT types have no hooks in py2bpf. */
enum {
	SOCKET = 1 << VM_SOCKET_FILTER,
	TC = 1 << VM_SCHED_CLS | 1 << VM_SCHED_ACT,
	CGROUP = 1 << VM_CGROUP_SKB,
	XMIT = 1 << VM_LWT_XMIT,
	LWT = 1 << VM_LWT_IN | 1 << VM_LWT_OUT | XMIT,
	SKB = SOCKET | TC | CGROUP | LWT,
	XDP = 1 << VM_XDP_PROG,
	KPROBE = 1 << VM_KPROBE,
	ANY = -1,
	TRACE = ANY & ~(SKB | XDP),
};

/*
 * A number may stand twice, for different types of programs. Of the arguments these kinds are looked at before the
 * call: c the context, n the context or NULL, p a perf event array, s a map of stack traces, r and w memory to read or
 * write, whose size comes next. The functions look at what else they use.
 */
static const struct vm_helper_row rows[] = {
	{ 1, ANY, "", vm_map_lookup_elem },
	{ 2, ANY, "", vm_map_update_elem },
	{ 3, ANY, "", vm_map_delete_elem },
	{ 4, TRACE, "", vm_probe_read },
	{ 5, ANY, "", vm_ktime_get_ns },
	{ 6, ANY, "", vm_trace_printk },
	{ 7, ANY, "", vm_get_prandom_u32 },
	{ 8, ANY, "", vm_get_smp_processor_id },
	{ 9, TC | XMIT, "c", vm_skb_store_bytes },
	{ 10, TC | XMIT, "c", vm_l3_csum_replace },
	{ 11, TC | XMIT, "c", vm_l4_csum_replace },
	{ 13, TC | XMIT, "c", vm_invalid },         /* clone_redirect: there is no device */
	{ 14, ANY, "", vm_get_current_pid_tgid },
	{ 15, ANY, "", vm_get_current_uid_gid },
	{ 16, ANY, "", vm_get_current_comm },
	{ 17, SKB, "c", vm_zero },                  /* get_cgroup_classid: of the packet */
	{ 18, TC, "c", vm_skb_vlan_push },
	{ 19, TC, "c", vm_skb_vlan_pop },
	{ 22, ANY, "p", vm_not_there },             /* perf_event_read */
	{ 23, TC | XMIT, "", vm_redirect },
	{ 24, TC | LWT, "c", vm_zero },             /* get_route_realm */
	{ 26, SKB, "c", vm_skb_load_bytes },
	{ 27, TRACE, "cs", vm_no_operation },       /* get_stackid */
	{ 28, TC | LWT | XDP, "", vm_csum_diff },
	{ 32, TC, "c", vm_skb_change_type },
	{ 34, TC | LWT, "c", vm_get_hash_recalc },
	{ 35, ANY, "", vm_zero },                   /* get_current_task */
	{ 36, TRACE, "-r", vm_not_permitted },      /* probe_write_user */
	{ 38, TC | XMIT, "c", vm_skb_change_tail },
	{ 39, TC | LWT, "c", vm_skb_pull_data },
	{ 40, TC | XMIT, "c", vm_no_support },      /* csum_update: no device computed a checksum */
	{ 41, TC | XMIT, "c", vm_set_hash_invalid },
	{ 42, ANY, "", vm_zero },                   /* get_numa_node_id */
	{ 43, TC | XMIT, "c", vm_skb_change_head },
	{ 44, XDP, "c", vm_xdp_adjust_head },
	{ 45, TRACE, "", vm_probe_read_str },
	{ 46, SOCKET | TC | CGROUP, "c", vm_one },  /* get_socket_cookie */
	{ 47, SOCKET | TC | CGROUP, "c", vm_zero }, /* get_socket_uid */
	{ 48, TC, "c", vm_set_hash },
	{ 50, TC, "c", vm_skb_adjust_room },
	{ 54, XDP, "c", vm_xdp_adjust_meta },
	{ 58, KPROBE, "c", vm_zero },               /* override_return */
	{ 65, XDP, "c", vm_xdp_adjust_tail },
	{ 67, TRACE, "cw", vm_no_operation },       /* get_stack */
	{ 68, SOCKET | TC | CGROUP, "c", vm_skb_load_bytes_relative },
	{ 79, TC | CGROUP, "c", vm_zero },          /* skb_cgroup_id */
	{ 80, ANY, "", vm_one },                    /* get_current_cgroup_id: the root's */
	{ 83, TC | CGROUP, "c", vm_zero },          /* skb_ancestor_cgroup_id */
	{ 87, ANY, "", vm_map_push_elem },
	{ 88, ANY, "", vm_map_pop_elem },
	{ 89, ANY, "", vm_map_peek_elem },
	{ 93, SKB | XDP, "", vm_spin_lock },
	{ 94, SKB | XDP, "", vm_spin_unlock },
	{ 97, TC | CGROUP, "c", vm_skb_ecn_set_ce },
	{ 105, ANY, "", vm_strtol },
	{ 106, ANY, "", vm_strtoul },
	{ 109, ANY, "", vm_not_permitted },         /* send_signal */
	{ 112, ANY, "", vm_probe_read_user },
	{ 113, ANY, "", vm_probe_read_kernel },
	{ 114, ANY, "", vm_probe_read_user_str },
	{ 115, ANY, "", vm_probe_read_kernel_str },
	{ 117, ANY, "", vm_not_permitted },         /* send_signal_thread */
	{ 118, ANY, "", vm_jiffies64 },
	{ 120, ANY, "", vm_get_ns_current_pid_tgid },
	{ 122, SOCKET | TC | CGROUP, "n", vm_one }, /* get_netns_cookie */
	{ 123, ANY, "", vm_zero },                  /* get_current_ancestor_cgroup_id */
	{ 125, ANY, "", vm_ktime_get_boot_ns },
	{ 130, ANY, "", vm_ringbuf_output },
	{ 131, ANY, "", vm_ringbuf_reserve },
	{ 132, ANY, "", vm_ringbuf_submit },
	{ 133, ANY, "", vm_ringbuf_discard },
	{ 134, ANY, "", vm_ringbuf_query },
	{ 135, TC | XMIT, "c", vm_csum_level },
	{ 148, TRACE, "", vm_probe_read_user },  /* copy_from_user */
	{ 151, TC, "c", vm_zero },                  /* skb_cgroup_classid */
	{ 152, TC, "", vm_redirect_neigh },
	{ 155, TC, "", vm_redirect_peer },
	{ 160, SKB | XDP, "", vm_ktime_get_coarse_ns },
	{ 165, ANY, "", vm_snprintf },
	{ 173, TRACE, "c", vm_zero },               /* get_func_ip */
	{ 174, TRACE, "c", vm_zero },               /* get_attach_cookie */
	{ 177, ANY, "", vm_trace_vprintk },
	{ 181, ANY, "", vm_loop },
	{ 182, ANY, "", vm_strncmp },
	{ 188, XDP, "c", vm_xdp_get_buff_len },
	{ 189, XDP, "c", vm_xdp_load_bytes },
	{ 190, XDP, "c", vm_xdp_store_bytes },
	{ 195, ANY, "", vm_map_lookup_percpu_elem },
	{ 201, ANY, "", vm_dynptr_read },
	{ 208, ANY, "", vm_ktime_get_tai_ns },
	{ 209, ANY, "", vm_user_ringbuf_drain },
	/* These differ between types of programs. */
	{ 25, TRACE, "c", vm_perf_event_output },
	{ 25, SKB | XDP, "c", vm_perf_event_output_skb },     /* perf_event_output */
	{ 23, XDP, "", vm_xdp_redirect },       /* redirect */
	{ 17, TRACE | XDP, "", vm_zero },           /* get_cgroup_classid: of the current task, whatever the argument */
};

static int is_map(struct vm_state *s, uint64_t value, uint32_t ability)
{
	const struct vm_map *map = vm_map_argument(s, value);

	if (map && map->abilities & ability)
		return 1;
	vm_fault(s, value, "this kind of map has no such helper function"); /* unless it's no map: the first fault counts */
	return 0;
}

static int is_of_kind(struct vm_state *s, char kind, const uint64_t *a)
{
	switch (kind) {
	case 'c':
		return vm_ctx_argument(s, *a);
	case 'n':
		return !*a || vm_ctx_argument(s, *a);
	case 'p':
		return is_map(s, *a, VM_CAN_EMIT);
	case 's':
		return is_map(s, *a, VM_CAN_STACK_TRACE);
	case 'r':
	case 'w':
		return vm_argument(s, a[0], (uint32_t)a[1], kind == 'w') != NULL;
	}
	return 1;
}

int vm_arguments(struct vm_state *s, const char *kinds, const uint64_t *a)
{
	for (; *kinds; kinds++, a++)
		if (!is_of_kind(s, *kinds, a))
			return 0;
	return 1;
}

static int is_offered(const struct vm_helper_row *row, uint32_t prog_type)
{
	return (uint32_t)row->types >> (prog_type < 31 ? prog_type : 31) & 1;
}

int vm_find_helper(uint32_t id, uint32_t prog_type, const struct vm_helper_row **found)
{
	int known = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].id != id)
			continue;
		known = 1;
		*found = &rows[i];
		if (is_offered(&rows[i], prog_type))
			return 0;
	}
	return known ? -EPERM : -ENOENT;
}
