/* Tells of every clock_nanosleep(2): who sleeps, and when it began (ns since boot), through a perf event array. */
#include "bench.h"

struct sleep {
	__u32 pid;
	char comm[16];
	__u64 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(int));
	__uint(value_size, sizeof(int));
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_clock_nanosleep")
int tp_nanosleep(void *ctx)
{
	struct sleep sleep;

	__builtin_memset(&sleep, 0, sizeof(sleep));
	sleep.pid = bpf_get_current_pid_tgid() >> 32;
	sleep.time = bpf_ktime_get_ns();
	bpf_get_current_comm(sleep.comm, sizeof(sleep.comm));
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &sleep, sizeof(sleep));
	return 0;
}
