/*
 * Counts packets and bytes of each flow and of all, on every CPU for itself: Ethernet, VLAN tags, IPv4 with options,
 * IPv6 with extension headers, ports where the protocol has some. py2bpf/examples/packet_counter.py in C.
 */
#include <linux/ipv6.h>
#include "bench.h"

#define MOST_TAGS 2
#define MOST_OPTIONS 4
#define NET 1 /* BPF_HDR_START_NET */

struct flow {
	__u8 source[16], destination[16];
	__be16 source_port, destination_port;
	__u16 ethertype;
	__u8 protocol, zero;
};

struct traffic {
	__u64 packets, bytes, since;
};

struct total {
	__u64 packets, bytes;
};

struct option {
	__u8 next, length;
	__be16 fragment;
};

struct tag {
	__be16 control, type;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct traffic);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct total);
} total SEC(".maps");

/* Where headers are read from: a packet of XDP, behind its link header, or an sk_buff. */
struct place {
	void *begin, *end;
	struct __sk_buff *skb;
};

static __always_inline void *header(struct place *place, __u32 offset, void *copy, __u32 size)
{
	void *at = place->begin + offset;

	if (place->skb)
		return bpf_skb_load_bytes_relative(place->skb, offset, copy, size, NET) ? NULL : copy;
	return at + size <= place->end ? at : NULL;
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

static __always_inline void find_ports(struct flow *flow, struct place *place, __u32 offset)
{
	__be16 copy[2], *ports;

	if (has_ports(flow->protocol) && (ports = header(place, offset, copy, sizeof(copy)))) {
		flow->source_port = ports[0];
		flow->destination_port = ports[1];
	}
}

static __always_inline void find4(struct flow *flow, struct place *place)
{
	struct iphdr copy, *ip = header(place, 0, &copy, sizeof(copy));

	if (!ip)
		return;
	flow->protocol = ip->protocol;
	__builtin_memcpy(flow->source, &ip->saddr, 4);
	__builtin_memcpy(flow->destination, &ip->daddr, 4);
	if (!(ip->frag_off & bpf_htons(IP_OFFSET)))
		find_ports(flow, place, 4 * ip->ihl);
}

static __always_inline void find6(struct flow *flow, struct place *place)
{
	struct ipv6hdr copy, *ip = header(place, 0, &copy, sizeof(copy));
	__u32 offset = sizeof(copy);
	__u8 protocol;

	if (!ip)
		return;
	protocol = ip->nexthdr;
	__builtin_memcpy(flow->source, &ip->saddr, 16);
	__builtin_memcpy(flow->destination, &ip->daddr, 16);
#pragma unroll
	for (int i = 0; i < MOST_OPTIONS; i++) {
		bool fragment = protocol == IPPROTO_FRAGMENT;
		struct option one, *option;

		if (!fragment && protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING &&
		    protocol != IPPROTO_DSTOPTS && protocol != IPPROTO_MH)
			break;
		option = header(place, offset, &one, sizeof(one));
		if (!option)
			break;
		if (fragment && bpf_ntohs(option->fragment) >> 3) {
			flow->protocol = option->next;
			return;
		}
		offset += fragment ? 8 : 8 * (option->length + 1);
		protocol = option->next;
	}
	flow->protocol = protocol;
	find_ports(flow, place, offset);
}

static __always_inline void find(struct flow *flow, __u16 ethertype, struct place *place)
{
	flow->ethertype = ethertype;
	if (ethertype == ETH_P_IP)
		find4(flow, place);
	else if (ethertype == ETH_P_IPV6)
		find6(flow, place);
}

static __always_inline void add(struct flow *flow, __u64 size)
{
	struct traffic *traffic = bpf_map_lookup_elem(&flows, flow);
	struct total *all;
	__u32 zero = 0;

	if (!traffic) {
		struct traffic begin = { .since = bpf_ktime_get_ns() };

		bpf_map_update_elem(&flows, flow, &begin, BPF_NOEXIST);
		traffic = bpf_map_lookup_elem(&flows, flow);
	}
	if (traffic) {
		traffic->packets++;
		traffic->bytes += size;
	}
	all = bpf_map_lookup_elem(&total, &zero);
	if (all) {
		all->packets++;
		all->bytes += size;
	}
}

SEC("xdp")
int count_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct flow flow = {};

	if ((void *)&ethernet[1] <= end) {
		__u16 ethertype = bpf_ntohs(ethernet->h_proto);
		struct place place = { .begin = &ethernet[1], .end = end };

#pragma unroll
		for (int i = 0; i < MOST_TAGS; i++) {
			struct tag *tag = place.begin;

			if ((ethertype != ETH_P_8021Q && ethertype != ETH_P_8021AD) || (void *)&tag[1] > end)
				break;
			ethertype = bpf_ntohs(tag->type);
			place.begin = &tag[1];
		}
		find(&flow, ethertype, &place);
	}
	add(&flow, end - data);
	return XDP_DROP;
}

SEC("socket")
int count_socket(struct __sk_buff *skb)
{
	struct place place = { .skb = skb };
	struct flow flow = {};

	find(&flow, bpf_ntohs(skb->protocol), &place);
	add(&flow, skb->len);
	return 0;
}
