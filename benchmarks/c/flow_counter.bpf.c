/*
 * Counts packets and bytes of each IPv4 TCP or UDP flow. Fragments but the first, and headers that are cut off,
 * are left out. Addresses and ports stay in network order. The frame begins at offset 0.
 */
#include "bench.h"

struct flow {
	__be32 source, destination;
	__be16 source_port, destination_port;
	__u8 protocol;
	__u8 zero[3];
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct traffic);
} flows SEC(".maps");

static __always_inline bool has_ports(const struct iphdr *ip)
{
	return ip->version == 4 && ip->ihl >= 5 && !(ip->frag_off & bpf_htons(IP_OFFSET)) &&
	       (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP);
}

SEC("socket")
int flow_counter(struct __sk_buff *skb)
{
	struct traffic *known;
	struct flow flow = {};
	struct iphdr ip;
	__be16 type;

	if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type)))
		return 0;
	if (type != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || !has_ports(&ip))
		return 0;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + 4 * ip.ihl, &flow.source_port, 2 * sizeof(__be16)))
		return 0;
	flow.source = ip.saddr;
	flow.destination = ip.daddr;
	flow.protocol = ip.protocol;

	known = bpf_map_lookup_elem(&flows, &flow);
	if (known) {
		count(&known->packets, 1);
		count(&known->bytes, skb->len);
	} else {
		struct traffic first = { .packets = 1, .bytes = skb->len };

		bpf_map_update_elem(&flows, &flow, &first, BPF_NOEXIST);
	}
	return 0;
}
