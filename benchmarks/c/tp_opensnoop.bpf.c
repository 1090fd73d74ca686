/* Tells of every openat(2): who opens what, when (ns since boot) and how, through a ring buffer. */
#include "bench.h"

struct opening {
	__u64 time;
	__u32 pid, uid;
	__s32 flags, length;    /* length: of the name, its NUL included; negative where it can't be read */
	char comm[16], name[128];
};

struct arguments {
	__u64 common, number, dfd, filename, flags, mode;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_openat")
int tp_opensnoop(struct arguments *ctx)
{
	struct opening *opening = bpf_ringbuf_reserve(&events, sizeof(*opening), 0);

	if (!opening)
		return 0;
	opening->time = bpf_ktime_get_ns();
	opening->pid = bpf_get_current_pid_tgid() >> 32;
	opening->uid = bpf_get_current_uid_gid();
	opening->flags = ctx->flags;
	bpf_get_current_comm(opening->comm, sizeof(opening->comm));
	opening->length = bpf_probe_read_user_str(opening->name, sizeof(opening->name), (void *)ctx->filename);
	bpf_ringbuf_submit(opening, 0);
	return 0;
}
