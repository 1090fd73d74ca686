/* Helper functions on VLAN tags: the outermost is a field of the sk_buff, the others are in the packet. */
#include "vm/helpers/skb.h"

enum { MACS_LEN = 12 };

static void set_tag(struct vm_state *s, uint32_t present, uint32_t protocol, uint32_t tci)
{
	vm_put32(s->ctx + SKB_VLAN_PRESENT, present);
	vm_put32(s->ctx + SKB_VLAN_PROTO, protocol);
	vm_put32(s->ctx + SKB_VLAN_TCI, tci);
}

static int64_t insert_tag(struct vm_state *s, uint32_t protocol, uint32_t tci)
{
	uint8_t *at;
	uint16_t words[2] = { (uint16_t)protocol, htons((uint16_t)tci) };

	if (s->packet.data < s->packet.first + VLAN_LEN || vm_packet_size(s) < MACS_LEN)
		return -ENOMEM;
	at = vm_packet_data(s);
	memmove(at - VLAN_LEN, at, MACS_LEN);
	memcpy(at + MACS_LEN - VLAN_LEN, words, sizeof(words));
	vm_skb_shift(s, -VLAN_LEN);
	s->packet.net -= VLAN_LEN;
	return 0;
}

uint64_t vm_skb_vlan_push(struct vm_state *s, const uint64_t *a)
{
	uint32_t protocol = (uint16_t)a[1];

	if (!vm_is_vlan(protocol))
		protocol = htons(VM_P_VLAN);
	if (vm_get32(s->ctx + SKB_VLAN_PRESENT)) {
		uint32_t inner = vm_get32(s->ctx + SKB_VLAN_PROTO);
		int64_t err = insert_tag(s, inner, vm_get32(s->ctx + SKB_VLAN_TCI));

		if (err)
			return (uint64_t)err;
		vm_put32(s->ctx + SKB_PROTOCOL, inner);
	}
	set_tag(s, 1, protocol, (uint16_t)a[2]);
	vm_forget(s);
	return 0;
}

/* vlan_set_encap_proto: sets the type that follows a removed tag. */
static void set_inner_protocol(struct vm_state *s)
{
	const uint8_t *at = vm_packet_data(s) + MACS_LEN;
	uint16_t protocol;

	memcpy(&protocol, at, sizeof(protocol));
	if (ntohs(protocol) < 0x600)
		protocol = htons(vm_packet_size(s) >= VM_ETH_HLEN + 2 && at[2] == 0xff && at[3] == 0xff ? 1 : 4);
	vm_put32(s->ctx + SKB_PROTOCOL, protocol);
}

static int64_t take_tag(struct vm_state *s, uint32_t *tci)
{
	uint8_t *at = vm_packet_data(s);

	if (vm_packet_size(s) < VM_ETH_HLEN + VLAN_LEN)
		return -ENOMEM;
	*tci = (uint32_t)at[MACS_LEN + 2] << 8 | at[MACS_LEN + 3];
	memmove(at + VLAN_LEN, at, MACS_LEN);
	vm_skb_shift(s, VLAN_LEN);
	if (s->packet.net < s->packet.data + VM_ETH_HLEN)
		s->packet.net = s->packet.data + VM_ETH_HLEN;
	set_inner_protocol(s);
	return 0;
}

uint64_t vm_skb_vlan_pop(struct vm_state *s, const uint64_t *a)
{
	uint32_t protocol, tci = 0;

	(void)a;
	if (vm_get32(s->ctx + SKB_VLAN_PRESENT)) {
		set_tag(s, 0, 0, 0);
	} else {
		if (!vm_is_vlan(vm_get32(s->ctx + SKB_PROTOCOL)))
			return 0;
		if (take_tag(s, &tci))
			return (uint64_t)-ENOMEM;
	}
	protocol = vm_get32(s->ctx + SKB_PROTOCOL);
	if (!vm_is_vlan(protocol))
		return 0;
	if (take_tag(s, &tci))
		return (uint64_t)-ENOMEM;
	set_tag(s, 1, protocol, tci);
	return 0;
}
