/* What the helper functions on sk_buffs share: moving a packet's beginning, and finding its headers' protocols. */
#ifndef P2B_VM_SKB_H
#define P2B_VM_SKB_H

#include <arpa/inet.h>

#include "vm/helpers/packets.h"

enum { VLAN_LEN = 4 };

/* The packet's first byte. */
static inline uint8_t *vm_packet_data(struct vm_state *s)
{
	return s->packet.buffer + s->packet.data;
}

/* Updates the context after the packet changed its size or place. */
static inline uint64_t vm_skb_moved(struct vm_state *s)
{
	vm_put32(s->ctx + SKB_LEN, vm_packet_size(s));
	s->packet.meta = s->packet.data;
	vm_forget(s);
	return 0;
}

/* Moves the beginning of the packet by so many bytes, without moving the bytes. */
static inline void vm_skb_shift(struct vm_state *s, int32_t by)
{
	struct vm_packet *p = &s->packet;

	p->data = (uint32_t)((int32_t)p->data + by);
	p->mac = (uint32_t)((int32_t)p->mac + by);
	vm_skb_moved(s);
}

static inline int vm_is_vlan(uint32_t protocol)
{
	return protocol == htons(VM_P_VLAN) || protocol == htons(VM_P_QINQ);
}

/* The network header's length without options, or 0 if the protocol is neither IPv4 nor IPv6. */
static inline uint32_t vm_base_length(uint32_t protocol)
{
	return protocol == htons(VM_P_IP) ? VM_IPV4_LEN : protocol == htons(VM_P_IPV6) ? VM_IPV6_LEN : 0;
}

#endif
