/*
 * The Internet checksum of a packet's first 64 words, or of as many as it has: a loop at run time whose every step
 * looks for the packet's end.
 */
#include "bench.h"

#define WORDS 64

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} result SEC(".maps");

SEC("xdp")
int xdp_loop64(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	__be16 *words = (void *)(long)ctx->data;
	__u64 total = 0;
	__u64 *place;
	__u32 zero = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < WORDS; i++) {
		if ((void *)&words[i + 1] > end)
			break;
		total += bpf_ntohs(words[i]);
	}
	total = (total >> 16) + (total & 0xffff);
	total = (total >> 16) + (total & 0xffff);
	place = bpf_map_lookup_elem(&result, &zero);
	if (place)
		*place = ~total & 0xffff;
	return XDP_PASS;
}
