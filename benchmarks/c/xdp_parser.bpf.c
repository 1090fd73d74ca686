/*
 * Counts packets by destination port: Ethernet, at most two VLAN tags, IPv4 (with options, no later fragments) or
 * IPv6, TCP or UDP, whose headers must be whole. All others count as port 0, and all pass.
 */
#include "bench.h"
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define TAGS 2

struct tag {
	__be16 control, type;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline __u32 transport(void *at, void *end, __u8 protocol)
{
	struct tcphdr *tcp = at;
	struct udphdr *udp = at;

	if (protocol == IPPROTO_TCP && (void *)&tcp[1] <= end)
		return bpf_ntohs(tcp->dest);
	if (protocol == IPPROTO_UDP && (void *)&udp[1] <= end)
		return bpf_ntohs(udp->dest);
	return 0;
}

static __always_inline __u32 destination(void *at, void *end)
{
	struct ethhdr *ether = at;
	struct iphdr *ip;
	struct ipv6hdr *ip6;
	__be16 type;

	at = &ether[1];
	if (at > end)
		return 0;
	type = ether->h_proto;
#pragma clang loop unroll(full)
	for (int i = 0; i < TAGS && is_tag(type); i++) {
		struct tag *tag = at;

		at = &tag[1];
		if (at > end)
			return 0;
		type = tag->type;
	}
	ip = at;
	ip6 = at;
	if (type == bpf_htons(ETH_P_IP)) {
		if ((void *)&ip[1] > end || ip->ihl < 5 || (ip->frag_off & bpf_htons(IP_OFFSET)))
			return 0;
		return transport(at + ip->ihl * 4, end, ip->protocol);
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		if ((void *)&ip6[1] > end)
			return 0;
		return transport(&ip6[1], end, ip6->nexthdr);
	}
	return 0;
}

SEC("xdp")
int xdp_parser(struct xdp_md *ctx)
{
	__u32 port = destination((void *)(long)ctx->data, (void *)(long)ctx->data_end);
	__u64 *counter = bpf_map_lookup_elem(&ports, &port);

	if (counter)
		count(counter, 1);
	return XDP_PASS;
}
