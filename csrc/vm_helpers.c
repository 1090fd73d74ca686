/*
 * The embedded VM's helper functions by number (enum bpf_func_id), and the small ones. What the machine has nothing to
 * tell about (cgroups, routes, stacks) has the answer that a kernel without them gives.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vm_helpers.h"
#include "vm_net.h"

enum { COMM_SIZE = 16, NANOSECONDS_PER_JIFFY = 4000000 };

#define CLOCK(name, clock)                                                                     \
	static uint64_t name(struct vm_state *s, const uint64_t *a)                            \
	{                                                                                      \
		(void)a;                                                                       \
		return vm_clock(s->vm, clock);                                                 \
	}
CLOCK(ktime_get_ns, CLOCK_MONOTONIC)
CLOCK(ktime_get_boot_ns, CLOCK_BOOTTIME)
CLOCK(ktime_get_coarse_ns, CLOCK_MONOTONIC_COARSE)
CLOCK(ktime_get_tai_ns, CLOCK_TAI)

static uint64_t jiffies64(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	return vm_clock(s->vm, CLOCK_BOOTTIME) / NANOSECONDS_PER_JIFFY;
}

static uint64_t get_prandom_u32(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	return vm_random(s->vm);
}

static uint64_t get_smp_processor_id(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	return s->vm->cpu;
}

static uint64_t get_current_pid_tgid(struct vm_state *s, const uint64_t *a)
{
	(void)s, (void)a;
	return (uint64_t)getpid() << 32 | (uint32_t)syscall(SYS_gettid);
}

static uint64_t get_current_uid_gid(struct vm_state *s, const uint64_t *a)
{
	(void)s, (void)a;
	return (uint64_t)getgid() << 32 | getuid();
}

static uint64_t get_current_comm(struct vm_state *s, const uint64_t *a)
{
	uint32_t size = (uint32_t)a[1];
	char *to = (char *)vm_argument(s, a[0], size, 1), name[COMM_SIZE + 1] = "";

	if (!to)
		return 0;
	if (!size)
		return (uint64_t)-EINVAL;
	if (prctl(PR_GET_NAME, name) < 0)
		return (uint64_t)-EINVAL;
	memset(to, 0, size);
	memcpy(to, name, strnlen(name, size - 1));
	return 0;
}

/* The process's own pid namespace is the only one there is. */
static uint64_t get_ns_current_pid_tgid(struct vm_state *s, const uint64_t *a)
{
	struct numbers { uint32_t pid, tgid; } numbers = { 0 };
	struct stat mine;
	uint8_t *to = vm_argument(s, a[2], (uint32_t)a[3], 1);

	if (!to)
		return 0;
	memset(to, 0, (uint32_t)a[3]);
	if ((uint32_t)a[3] != sizeof(numbers) || stat("/proc/self/ns/pid", &mine) || mine.st_dev != a[0] ||
	    mine.st_ino != a[1])
		return (uint64_t)-EINVAL;
	numbers = (struct numbers){ (uint32_t)syscall(SYS_gettid), (uint32_t)getpid() };
	memcpy(to, &numbers, sizeof(numbers));
	return 0;
}

#define CONSTANT(name, value)                                                                  \
	static uint64_t name(struct vm_state *s, const uint64_t *a)                            \
	{                                                                                      \
		(void)s, (void)a;                                                              \
		return (uint64_t)(int64_t)(value);                                             \
	}
CONSTANT(zero, 0)
CONSTANT(one, 1)
CONSTANT(not_there, -ENOENT)
CONSTANT(invalid, -EINVAL)
CONSTANT(not_permitted, -EPERM)
CONSTANT(no_operation, -EOPNOTSUPP)
CONSTANT(no_support, -P2B_ENOTSUPP)

enum { ANY = 1 << VM_PLAIN | 1 << VM_SKB | 1 << VM_XDP, PLAIN = 1 << VM_PLAIN, SKB = 1 << VM_SKB, XDP = 1 << VM_XDP };

/* A number may stand twice, for different classes. */
static const struct vm_helper_row rows[] = {
	{ 1, ANY, vm_map_lookup_elem },
	{ 2, ANY, vm_map_update_elem },
	{ 3, ANY, vm_map_delete_elem },
	{ 4, ANY, vm_probe_read },
	{ 5, ANY, ktime_get_ns },
	{ 6, ANY, vm_trace_printk },
	{ 7, ANY, get_prandom_u32 },
	{ 8, ANY, get_smp_processor_id },
	{ 9, SKB, vm_skb_store_bytes },
	{ 10, SKB, vm_l3_csum_replace },
	{ 11, SKB, vm_l4_csum_replace },
	{ 13, SKB, invalid },                   /* clone_redirect: there is no device */
	{ 14, ANY, get_current_pid_tgid },
	{ 15, ANY, get_current_uid_gid },
	{ 16, ANY, get_current_comm },
	{ 17, ANY, zero },                      /* get_cgroup_classid */
	{ 18, SKB, vm_skb_vlan_push },
	{ 19, SKB, vm_skb_vlan_pop },
	{ 22, ANY, not_there },                 /* perf_event_read */
	{ 23, SKB, vm_redirect },
	{ 24, SKB, zero },                      /* get_route_realm */
	{ 26, SKB, vm_skb_load_bytes },
	{ 27, ANY, no_operation },              /* get_stackid */
	{ 28, ANY, vm_csum_diff },
	{ 32, SKB, vm_skb_change_type },
	{ 34, SKB, vm_get_hash_recalc },
	{ 35, ANY, zero },                      /* get_current_task */
	{ 36, ANY, not_permitted },             /* probe_write_user */
	{ 38, SKB, vm_skb_change_tail },
	{ 39, SKB, vm_skb_pull_data },
	{ 40, SKB, no_support },                /* csum_update: no device computed a checksum */
	{ 41, SKB, vm_set_hash_invalid },
	{ 42, ANY, zero },                      /* get_numa_node_id */
	{ 43, SKB, vm_skb_change_head },
	{ 44, XDP, vm_xdp_adjust_head },
	{ 45, ANY, vm_probe_read_str },
	{ 46, ANY, one },                       /* get_socket_cookie */
	{ 47, SKB, zero },                      /* get_socket_uid */
	{ 48, SKB, vm_set_hash },
	{ 50, SKB, vm_skb_adjust_room },
	{ 54, XDP, vm_xdp_adjust_meta },
	{ 58, PLAIN, zero },                    /* override_return */
	{ 65, XDP, vm_xdp_adjust_tail },
	{ 67, ANY, no_operation },              /* get_stack */
	{ 68, SKB, vm_skb_load_bytes_relative },
	{ 79, SKB, zero },                      /* skb_cgroup_id */
	{ 80, ANY, one },                       /* get_current_cgroup_id: the root's */
	{ 83, SKB, zero },                      /* skb_ancestor_cgroup_id */
	{ 87, ANY, vm_map_push_elem },
	{ 88, ANY, vm_map_pop_elem },
	{ 89, ANY, vm_map_peek_elem },
	{ 93, SKB | XDP, vm_spin_lock },
	{ 94, SKB | XDP, vm_spin_unlock },
	{ 97, SKB, vm_skb_ecn_set_ce },
	{ 105, ANY, vm_strtol },
	{ 106, ANY, vm_strtoul },
	{ 109, PLAIN, not_permitted },          /* send_signal */
	{ 112, ANY, vm_probe_read },
	{ 113, ANY, vm_probe_read },
	{ 114, ANY, vm_probe_read_str },
	{ 115, ANY, vm_probe_read_str },
	{ 117, PLAIN, not_permitted },          /* send_signal_thread */
	{ 118, ANY, jiffies64 },
	{ 120, ANY, get_ns_current_pid_tgid },
	{ 122, ANY, one },                      /* get_netns_cookie */
	{ 123, ANY, zero },                     /* get_current_ancestor_cgroup_id */
	{ 125, ANY, ktime_get_boot_ns },
	{ 130, ANY, vm_ringbuf_output },
	{ 131, ANY, vm_ringbuf_reserve },
	{ 132, ANY, vm_ringbuf_submit },
	{ 133, ANY, vm_ringbuf_discard },
	{ 134, ANY, vm_ringbuf_query },
	{ 135, SKB, vm_csum_level },
	{ 148, PLAIN, vm_probe_read },          /* copy_from_user */
	{ 151, SKB, zero },                     /* skb_cgroup_classid */
	{ 152, SKB, vm_redirect_neigh },
	{ 155, SKB, vm_redirect_peer },
	{ 160, ANY, ktime_get_coarse_ns },
	{ 165, ANY, vm_snprintf },
	{ 173, PLAIN, zero },                   /* get_func_ip */
	{ 174, PLAIN, zero },                   /* get_attach_cookie */
	{ 177, ANY, vm_trace_vprintk },
	{ 181, ANY, vm_loop },
	{ 182, ANY, vm_strncmp },
	{ 188, XDP, vm_xdp_get_buff_len },
	{ 189, XDP, vm_xdp_load_bytes },
	{ 190, XDP, vm_xdp_store_bytes },
	{ 195, ANY, vm_map_lookup_percpu_elem },
	{ 201, ANY, vm_dynptr_read },
	{ 208, ANY, ktime_get_tai_ns },
	{ 209, ANY, vm_user_ringbuf_drain },
	/* These differ between classes. */
	{ 25, PLAIN, vm_perf_event_output },
	{ 25, SKB | XDP, vm_perf_event_output_skb },
	{ 23, XDP, vm_xdp_redirect },
};

const struct vm_helper_row *vm_find_helper(uint32_t id, enum vm_class class)
{
	const struct vm_helper_row *found = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].id != id)
			continue;
		found = &rows[i];
		if (found->classes & 1 << class)
			break;
	}
	return found;
}
