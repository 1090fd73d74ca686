/*
 * Hashes of a TCP or UDP packet's IPv4 header (without options): result[0] is Jenkins's final mix of the addresses and
 * ports, result[1] FNV-1a of the header with murmur3's finaliser.
 */
#include "bench.h"

#define FIRST 14
#define LAST 34
#define END 38

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} result SEC(".maps");

static __always_inline __u32 rotate(__u32 number, int bits)
{
	return number << bits | number >> (32 - bits);
}

static __always_inline __u32 jenkins(__u32 a, __u32 b, __u32 c, __u32 seed)
{
	seed += 0xdeadbeef + 12;
	a += seed;
	b += seed;
	c += seed;
	c = (c ^ b) - rotate(b, 14);
	a = (a ^ c) - rotate(c, 11);
	b = (b ^ a) - rotate(a, 25);
	c = (c ^ b) - rotate(b, 16);
	a = (a ^ c) - rotate(c, 4);
	b = (b ^ a) - rotate(a, 14);
	return (c ^ b) - rotate(b, 24);
}

static __always_inline __u64 fnv(const __u8 *bytes)
{
	__u64 hash = 0xcbf29ce484222325;

#pragma clang loop unroll(full)
	for (int i = FIRST; i < LAST; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
	return hash ^ hash >> 33;
}

static __always_inline void keep(__u32 index, __u64 number)
{
	__u64 *place = bpf_map_lookup_elem(&result, &index);

	if (place)
		*place = number;
}

SEC("xdp")
int xdp_hash(struct xdp_md *ctx)
{
	__u8 *bytes = (void *)(long)ctx->data;

	if ((void *)(bytes + END) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (*(__be16 *)(bytes + 12) != bpf_htons(ETH_P_IP) || bytes[FIRST] != 0x45)
		return XDP_PASS;
	if (bytes[23] != IPPROTO_TCP && bytes[23] != IPPROTO_UDP)
		return XDP_PASS;
	keep(0, jenkins(*(__u32 *)(bytes + 26), *(__u32 *)(bytes + 30), *(__u32 *)(bytes + 34), 0x12345678));
	keep(1, fnv(bytes));
	return XDP_PASS;
}
