/* Writers of events, one a run: ../programs/drains.py has them in Python. A value is its number's low 8 bits. */
#include "bench.h"

struct small {
	__u64 number, value, time, zero;
};

struct large {
	struct small head;
	__u8 more[224];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} perf SEC(".maps");

struct {
	__u64 made, lost;
} totals;

static __always_inline void fill(struct small *event)
{
	event->number = totals.made++;
	event->value = event->number & 255;
	event->time = 0;
	event->zero = 0;
}

static __always_inline int to_ring(__u64 size, __u64 flags)
{
	struct small *event = size == sizeof(struct large) ? bpf_ringbuf_reserve(&ring, sizeof(struct large), 0)
							   : bpf_ringbuf_reserve(&ring, sizeof(struct small), 0);

	if (!event) {
		totals.made++;
		totals.lost++;
		return XDP_PASS;
	}
	fill(event);
	bpf_ringbuf_submit(event, flags);
	return XDP_PASS;
}

SEC("xdp")
int ring32(struct xdp_md *ctx)
{
	return to_ring(sizeof(struct small), BPF_RB_NO_WAKEUP);
}

SEC("xdp")
int ring256(struct xdp_md *ctx)
{
	return to_ring(sizeof(struct large), BPF_RB_NO_WAKEUP);
}

static __always_inline int to_perf(void *ctx, void *event, __u64 size)
{
	fill(event);
	if (bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, event, size))
		totals.lost++;
	return XDP_PASS;
}

SEC("xdp")
int perf32(struct xdp_md *ctx)
{
	struct small event;

	return to_perf(ctx, &event, sizeof(event));
}

SEC("xdp")
int perf256(struct xdp_md *ctx)
{
	struct large event = {};

	return to_perf(ctx, &event, sizeof(event));
}
