/* Helper functions on an sk_buff's fields: type, hash, destination, checksum level, and congestion marks. */
#include "vm/helpers/skb.h"

enum { TC_ACT_SHOT = 2, TC_ACT_REDIRECT = 7, REDIRECT_INGRESS = 1, VLAN_MAX_DEPTH = 8 };

uint64_t vm_skb_change_type(struct vm_state *s, const uint64_t *a)
{
	if ((uint32_t)a[1] > VM_PACKET_OTHERHOST)
		return (uint64_t)-EINVAL;
	vm_put32(s->ctx + SKB_PKT_TYPE, (uint32_t)a[1]);
	return 0;
}

uint64_t vm_set_hash(struct vm_state *s, const uint64_t *a)
{
	vm_put32(s->ctx + SKB_HASH, (uint32_t)a[1]);
	return 0;
}

uint64_t vm_set_hash_invalid(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	vm_put32(s->ctx + SKB_HASH, 0);
	return 0;
}

/* The kernel's flow hash has a secret; this one (FNV-1a of the network header's first bytes) is always the same. */
uint64_t vm_get_hash_recalc(struct vm_state *s, const uint64_t *a)
{
	const struct vm_packet *p = &s->packet;
	uint32_t hash, end = p->end > p->net + VM_IPV6_LEN ? p->net + VM_IPV6_LEN : p->end;

	(void)a;
	hash = vm_get32(s->ctx + SKB_HASH);
	if (hash)
		return hash;
	hash = 0x811c9dc5;
	for (uint32_t i = p->net; i < end; i++)
		hash = (hash ^ p->buffer[i]) * 0x01000193;
	hash = hash ? hash : 1;
	vm_put32(s->ctx + SKB_HASH, hash);
	return hash;
}

uint64_t vm_redirect(struct vm_state *s, const uint64_t *a)
{
	(void)s;
	return a[1] & ~(uint64_t)REDIRECT_INGRESS ? TC_ACT_SHOT : TC_ACT_REDIRECT;
}

/* net/core/filter.c: no packet is redirected here, but programs get the kernel's result. */
uint64_t vm_redirect_peer(struct vm_state *s, const uint64_t *a)
{
	(void)s;
	return a[1] ? TC_ACT_SHOT : TC_ACT_REDIRECT;
}

uint64_t vm_redirect_neigh(struct vm_state *s, const uint64_t *a)
{
	enum { NEIGHBOUR = 20 };        /* struct bpf_redir_neigh */
	uint32_t size = (uint32_t)a[2];

	if (a[1] ? !vm_argument(s, a[1], size, 0) : size != 0)
		return vm_fault(s, a[1], "redirect_neigh without the bytes that its size says");
	return (size && size < NEIGHBOUR) || a[3] ? TC_ACT_SHOT : TC_ACT_REDIRECT;
}

/* No device verified a checksum: queries say so, and changes have no effect. */
uint64_t vm_csum_level(struct vm_state *s, const uint64_t *a)
{
	enum { QUERY = 0, RESET = 3 };

	(void)s;
	if (a[1] == QUERY)
		return (uint64_t)-EACCES;
	return a[1] > RESET ? (uint64_t)-EINVAL : 0;
}

/* The type after all VLAN tags in the packet, 7 at most (vlan_get_protocol). */
static uint32_t inner_protocol(const struct vm_state *s)
{
	const struct vm_packet *p = &s->packet;
	uint32_t protocol = vm_get32(s->ctx + SKB_PROTOCOL);

	for (uint32_t at = p->mac + VM_ETH_HLEN, tags = 1; vm_is_vlan(protocol); at += VLAN_LEN, tags++) {
		uint16_t next;

		if (at + VLAN_LEN > p->end || tags == VLAN_MAX_DEPTH)
			return 0;
		memcpy(&next, p->buffer + at + 2, sizeof(next));
		protocol = next;
	}
	return protocol;
}

/* Sets the missing one of the two ECN bits: the sum grows by 1 or 2, so the checksum, its complement, shrinks. */
static void mark_ipv4(uint8_t *ip)
{
	uint16_t check;
	uint32_t sum;

	memcpy(&check, ip + 10, sizeof(check));
	sum = ntohs(check) + (uint32_t)0xffff - (uint32_t)(3 - (ip[1] & 3));
	check = htons((uint16_t)(sum + (sum >> 16)));
	memcpy(ip + 10, &check, sizeof(check));
	ip[1] |= 3;
}

/* INET_ECN_set_ce: marks a packet of an ECN-capable flow; 1 when it is marked now. */
uint64_t vm_skb_ecn_set_ce(struct vm_state *s, const uint64_t *a)
{
	struct vm_packet *p = &s->packet;
	uint32_t base = vm_base_length(inner_protocol(s));
	uint8_t *ip = p->buffer + p->net;

	(void)a;
	if (!base || p->end < p->net + base)
		return 0;
	if (base == VM_IPV6_LEN) {
		if (!(ip[1] & 0x30))
			return 0;
		ip[1] |= 0x30;
		return 1;
	}
	if ((ip[1] & 3) == 1 || (ip[1] & 3) == 2)
		mark_ipv4(ip);
	return (ip[1] & 3) == 3;
}
