/*
 * The kinds of maps that the embedded VM has, a row for each. A new kind is a row here, and its operations in a file of
 * their own.
 */
#ifndef P2B_VM_MAP_KINDS_H
#define P2B_VM_MAP_KINDS_H

/* BPF_F_NO_PREALLOC ... of BPF_MAP_CREATE. */
enum { VM_NO_PREALLOC = 1 << 0, VM_NO_COMMON_LRU = 1 << 1, VM_RDONLY_PROG = 1 << 7, VM_MMAPABLE = 1 << 10 };

/*
 * What programs may do with a map. In the verifier, check_map_func_compatibility decides this for helper functions, and
 * resolve_pseudo_ldimm64 for addresses of values.
 */
enum {
	VM_CAN_FIND = 1 << 0,           /* bpf_map_lookup_elem */
	VM_CAN_UPDATE = 1 << 1,
	VM_CAN_DELETE = 1 << 2,
	VM_CAN_PUSH = 1 << 3,           /* and pop, and peek */
	VM_CAN_EMIT = 1 << 4,           /* bpf_perf_event_output, bpf_perf_event_read */
	VM_CAN_RESERVE = 1 << 5,        /* all bpf_ringbuf_... functions */
	VM_CAN_DRAIN = 1 << 6,          /* bpf_user_ringbuf_drain */
	VM_CAN_TAIL_CALL = 1 << 7,
	VM_CAN_STACK_TRACE = 1 << 8,    /* bpf_get_stackid */
	VM_CAN_ADDRESS = 1 << 9,        /* instructions may hold the address of a value */
	VM_CAN_TOUCH = 1 << 10,         /* pointers into the arena are valid, whatever their origin */

	VM_KEYED = VM_CAN_FIND | VM_CAN_UPDATE | VM_CAN_DELETE | VM_CAN_TOUCH,
	VM_LISTED = VM_CAN_PUSH | VM_CAN_TOUCH,
};

/* Name, number (enum bpf_map_type), whether there is a value per CPU, operations, allowed flags, abilities. */
#define VM_MAP_KINDS(_) \
	_(HASH, 1, 0, vm_hash_ops, VM_NO_PREALLOC | VM_RDONLY_PROG, VM_KEYED) \
	_(ARRAY, 2, 0, vm_array_ops, VM_RDONLY_PROG | VM_MMAPABLE, VM_KEYED | VM_CAN_ADDRESS) \
	_(PROG_ARRAY, 3, 0, vm_progs_ops, 0, VM_CAN_TAIL_CALL) \
	_(PERF_EVENT_ARRAY, 4, 0, vm_perf_ops, 0, VM_CAN_EMIT) \
	_(PERCPU_HASH, 5, 1, vm_hash_ops, VM_NO_PREALLOC | VM_RDONLY_PROG, VM_KEYED) \
	_(PERCPU_ARRAY, 6, 1, vm_array_ops, VM_RDONLY_PROG | VM_MMAPABLE, VM_KEYED) \
	_(STACK_TRACE, 7, 0, vm_stacks_ops, 0, VM_CAN_STACK_TRACE) \
	_(LRU_HASH, 9, 0, vm_lru_ops, VM_NO_COMMON_LRU | VM_RDONLY_PROG, VM_KEYED) \
	_(LRU_PERCPU_HASH, 10, 1, vm_lru_ops, VM_NO_COMMON_LRU | VM_RDONLY_PROG, VM_KEYED) \
	_(LPM_TRIE, 11, 0, vm_lpm_ops, VM_NO_PREALLOC | VM_RDONLY_PROG, VM_KEYED) \
	_(QUEUE, 22, 0, vm_list_ops, 0, VM_LISTED) \
	_(STACK, 23, 0, vm_list_ops, 0, VM_LISTED) \
	_(RINGBUF, 27, 0, vm_ring_ops, 0, VM_CAN_RESERVE) \
	_(USER_RINGBUF, 31, 0, vm_user_ring_ops, 0, VM_CAN_DRAIN)

#define VM_KIND_NUMBER(name, number, per_cpu, ops, flags, abilities) VM_##name = number,
enum vm_map_kind { VM_MAP_KINDS(VM_KIND_NUMBER) };

#endif
