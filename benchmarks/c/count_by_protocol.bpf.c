/* Counts IPv4 packets by protocol, reading the packet with BPF_LD_ABS. The frame begins at offset 0. */
#include "bench.h"

unsigned long long packet_byte(void *skb, unsigned long long at) asm("llvm.bpf.load.byte");
unsigned long long packet_short(void *skb, unsigned long long at) asm("llvm.bpf.load.half");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("socket")
int count_by_protocol(struct __sk_buff *skb)
{
	__u64 *known, first = 1;
	__u32 protocol;

	if (packet_short(skb, offsetof(struct ethhdr, h_proto)) != ETH_P_IP)
		return 0;
	protocol = packet_byte(skb, ETH_HLEN + offsetof(struct iphdr, protocol));
	known = bpf_map_lookup_elem(&counts, &protocol);
	if (known)
		count(known, 1);
	else
		bpf_map_update_elem(&counts, &protocol, &first, BPF_NOEXIST);
	return 0;
}
