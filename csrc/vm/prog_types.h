/* The types of programs (enum bpf_prog_type) that the VM distinguishes. */
#ifndef P2B_VM_PROG_TYPES_H
#define P2B_VM_PROG_TYPES_H

enum {
	VM_SOCKET_FILTER = 1,
	VM_KPROBE = 2,
	VM_SCHED_CLS = 3,
	VM_SCHED_ACT = 4,
	VM_XDP_PROG = 6,
	VM_CGROUP_SKB = 8,
	VM_LWT_IN = 10,
	VM_LWT_OUT = 11,
	VM_LWT_XMIT = 12,
};

#endif
