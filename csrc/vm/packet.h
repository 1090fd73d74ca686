/* Packets and their contexts: the fields of struct __sk_buff and struct xdp_md, headers, and where a packet lies. */
#ifndef P2B_VM_PACKET_H
#define P2B_VM_PACKET_H

#include <stdint.h>
#include <string.h>

/* Offsets in struct __sk_buff and struct xdp_md, and their sizes. */
enum {
	SKB_LEN = 0, SKB_PKT_TYPE = 4, SKB_MARK = 8, SKB_QUEUE_MAPPING = 12, SKB_PROTOCOL = 16, SKB_VLAN_PRESENT = 20,
	SKB_VLAN_TCI = 24, SKB_VLAN_PROTO = 28, SKB_PRIORITY = 32, SKB_INGRESS_IFINDEX = 36, SKB_IFINDEX = 40,
	SKB_TC_INDEX = 44, SKB_CB = 48, SKB_HASH = 68, SKB_TC_CLASSID = 72, SKB_DATA = 76, SKB_DATA_END = 80,
	SKB_NAPI_ID = 84, SKB_FAMILY = 88, SKB_REMOTE_IP4 = 92, SKB_LOCAL_IP4 = 96, SKB_REMOTE_IP6 = 100,
	SKB_LOCAL_IP6 = 116, SKB_REMOTE_PORT = 132, SKB_LOCAL_PORT = 136, SKB_DATA_META = 140, SKB_FLOW_KEYS = 144,
	SKB_TSTAMP = 152, SKB_WIRE_LEN = 160, SKB_GSO_SEGS = 164, SKB_SK = 168, SKB_GSO_SIZE = 176,
	SKB_TSTAMP_TYPE = 180, SKB_HWTSTAMP = 184, SKB_SIZE = 192,
	XDP_DATA = 0, XDP_DATA_END = 4, XDP_DATA_META = 8, XDP_INGRESS_IFINDEX = 12, XDP_RX_QUEUE_INDEX = 16,
	XDP_EGRESS_IFINDEX = 20, XDP_SIZE = 24,
};

enum {
	VM_PAGE = 4096,
	VM_SKB_MAX = 4 * 4096 - 320,    /* BPF_SKB_MAX_LEN */
	VM_META_MAX = 252,              /* bytes of metadata in front of an XDP packet, a multiple of 4 */
};

/* Headers' lengths, and the types in Ethernet headers. */
enum { VM_ETH_HLEN = 14, VM_IPV4_LEN = 20, VM_IPV6_LEN = 40 };
enum { VM_P_IP = 0x0800, VM_P_VLAN = 0x8100, VM_P_IPV6 = 0x86dd, VM_P_QINQ = 0x88a8 };

/* __sk_buff.pkt_type */
enum { VM_PACKET_HOST = 0, VM_PACKET_MULTICAST = 2, VM_PACKET_OTHERHOST = 3 };

/* A packet in the machine's buffer, by offsets there: the kernel's head, data_meta, data, data_end, headers. */
struct vm_packet {
	uint8_t *buffer;
	uint32_t first;         /* data can't begin before this */
	uint32_t last;          /* data can't end after this; an XDP packet goes on here in fragments, a page each */
	uint32_t meta, data, end;
	uint32_t mac, net;      /* network packets of an skb */
	int writable;           /* directly, by stores */
};

/* Where the bytes end that the program accesses directly; those of fragments follow in the same buffer. */
static inline uint32_t vm_packet_direct(const struct vm_packet *packet)
{
	return packet->end < packet->last ? packet->end : packet->last;
}

static inline uint32_t vm_get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline void vm_put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

#endif
