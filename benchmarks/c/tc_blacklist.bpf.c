/*
 * Drops IPv4 packets whose source is a blacklisted host or lies in a blacklisted network, and counts how many
 * passed and how many it dropped. Other packets pass uncounted. Direct packet access.
 */
#include "bench.h"

struct prefix {
	__u32 length;
	__be32 address;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __be32);
	__type(value, __u32);
} hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix);
	__type(value, __u32);
} nets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

SEC("tc")
int tc_blacklist(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *ether = (void *)(long)skb->data;
	struct iphdr *ip = (void *)&ether[1];
	struct prefix source = { .length = 32 };
	__u32 refused = 0;
	__u64 *counter;

	if ((void *)&ip[1] > end || ether->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	source.address = ip->saddr;
	if (bpf_map_lookup_elem(&hosts, &source.address) || bpf_map_lookup_elem(&nets, &source))
		refused = 1;
	counter = bpf_map_lookup_elem(&verdicts, &refused);
	if (counter)
		count(counter, 1);
	return refused ? TC_ACT_SHOT : TC_ACT_OK;
}
