/* Helper functions on sk_buffs: net/core/filter.c and net/core/skbuff.c, for linear packets of one owner. */
#include <arpa/inet.h>

#include "vm/helpers/packets.h"

enum { TC_ACT_SHOT = 2, TC_ACT_REDIRECT = 7, REDIRECT_INGRESS = 1 };
enum { RECOMPUTE_CSUM = 1, INVALIDATE_HASH = 2 };
enum { VLAN_LEN = 4, VLAN_MAX_DEPTH = 8, MACS_LEN = 12 };
enum { ROOM_NET = 0, ROOM_MAC = 1, ROOM_FIXED_GSO = 1, ROOM_NO_CSUM_RESET = 1 << 5 };
enum { OFFSET_NET = -0x100000, OFFSET_LINK = -0x200000 };

static uint8_t *data_of(struct vm_state *s)
{
	return s->packet.buffer + s->packet.data;
}

/* After a change of size or place: the context follows. */
static uint64_t moved(struct vm_state *s)
{
	vm_put32(s->ctx + SKB_LEN, vm_packet_size(s));
	s->packet.meta = s->packet.data;
	vm_forget(s);
	return 0;
}

static void clear(struct vm_state *s, uint8_t *at, uint32_t size)
{
	vm_charge(s, size);
	memset(at, 0, size);
}

uint8_t *vm_packet_at(struct vm_state *s, uint64_t offset, uint64_t size)
{
	uint64_t all = vm_packet_size(s);

	return offset <= all && size <= all - offset ? data_of(s) + offset : NULL;
}

static uint64_t copy_out(struct vm_state *s, uint8_t *to, const uint8_t *from, uint32_t size)
{
	(void)s;
	if (!from) {
		memset(to, 0, size);
		return (uint64_t)-EFAULT;
	}
	memmove(to, from, size);
	return 0;
}

uint64_t vm_skb_load_bytes(struct vm_state *s, const uint64_t *a)
{
	uint32_t offset = (uint32_t)a[1], size = (uint32_t)a[3];
	uint8_t *to = vm_argument(s, a[2], size, 1);

	if (!to)
		return 0;
	return copy_out(s, to, offset > INT32_MAX ? NULL : vm_packet_at(s, offset, size), size);
}

/* [at, at + size) of the buffer, when it ends within the packet. */
static const uint8_t *in_buffer(struct vm_state *s, int64_t at, uint64_t size)
{
	if (at < 0 || at > s->packet.end || size > (uint64_t)(s->packet.end - at))
		return NULL;
	return s->packet.buffer + at;
}

uint64_t vm_skb_load_bytes_relative(struct vm_state *s, const uint64_t *a)
{
	uint32_t offset = (uint32_t)a[1], size = (uint32_t)a[3];
	uint8_t *to = vm_argument(s, a[2], size, 1);
	uint32_t start = a[4] ? s->packet.net : s->packet.mac;

	if (!to)
		return 0;
	return copy_out(s, to, offset > 0xffff || a[4] > 1 ? NULL : in_buffer(s, (int64_t)start + offset, size), size);
}

uint64_t vm_skb_store_bytes(struct vm_state *s, const uint64_t *a)
{
	uint32_t offset = (uint32_t)a[1], size = (uint32_t)a[3];
	const uint8_t *from = vm_argument(s, a[2], size, 0);
	uint8_t *to;

	if (!from)
		return 0;
	if (a[4] & ~(uint64_t)(RECOMPUTE_CSUM | INVALIDATE_HASH))
		return (uint64_t)-EINVAL;
	to = offset > INT32_MAX ? NULL : vm_packet_at(s, offset, size);
	if (!to)
		return (uint64_t)-EFAULT;
	memmove(to, from, size);
	if (a[4] & INVALIDATE_HASH)
		vm_put32(s->ctx + SKB_HASH, 0);
	return 0;
}

uint64_t vm_skb_pull_data(struct vm_state *s, const uint64_t *a)
{
	return (uint32_t)a[1] > vm_packet_size(s) ? (uint64_t)-ENOMEM : 0;
}

static int64_t load_at(const uint8_t *at, uint32_t size, uint64_t *value)
{
	*value = 0;
	if (!at)
		return 0;
	for (uint32_t i = 0; i < size; i++)
		*value = *value << 8 | at[i];
	return 1;
}

int vm_packet_load(struct vm_state *s, int64_t offset, uint32_t size, uint64_t *value)
{
	const struct vm_packet *p = &s->packet;

	if (offset >= 0)
		return (int)load_at(vm_packet_at(s, (uint64_t)offset, size), size, value);
	if (offset >= OFFSET_NET)
		return (int)load_at(in_buffer(s, p->net + offset - OFFSET_NET, size), size, value);
	if (offset >= OFFSET_LINK)
		return (int)load_at(in_buffer(s, p->mac + offset - OFFSET_LINK, size), size, value);
	return 0;
}

/* ---- VLAN tags: the outermost lies in the sk_buff, the others in the packet ------------------------------------ */

static int is_vlan(uint32_t protocol)
{
	return protocol == htons(VM_P_VLAN) || protocol == htons(VM_P_QINQ);
}

static void set_tag(struct vm_state *s, uint32_t present, uint32_t protocol, uint32_t tci)
{
	vm_put32(s->ctx + SKB_VLAN_PRESENT, present);
	vm_put32(s->ctx + SKB_VLAN_PROTO, protocol);
	vm_put32(s->ctx + SKB_VLAN_TCI, tci);
}

/* Moves the beginning of the packet by so many bytes; what is there stays. */
static void shift_front(struct vm_state *s, int32_t by)
{
	struct vm_packet *p = &s->packet;

	p->data = (uint32_t)((int32_t)p->data + by);
	p->mac = (uint32_t)((int32_t)p->mac + by);
	moved(s);
}

static int64_t insert_tag(struct vm_state *s, uint32_t protocol, uint32_t tci)
{
	uint8_t *at;
	uint16_t words[2] = { (uint16_t)protocol, htons((uint16_t)tci) };

	if (s->packet.data < s->packet.first + VLAN_LEN || vm_packet_size(s) < MACS_LEN)
		return -ENOMEM;
	at = data_of(s);
	memmove(at - VLAN_LEN, at, MACS_LEN);
	memcpy(at + MACS_LEN - VLAN_LEN, words, sizeof(words));
	shift_front(s, -VLAN_LEN);
	s->packet.net -= VLAN_LEN;
	return 0;
}

uint64_t vm_skb_vlan_push(struct vm_state *s, const uint64_t *a)
{
	uint32_t protocol = (uint16_t)a[1];

	if (!is_vlan(protocol))
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

/* vlan_set_encap_proto: the type behind a tag that was taken out. */
static void set_inner_protocol(struct vm_state *s)
{
	const uint8_t *at = data_of(s) + MACS_LEN;
	uint16_t protocol;

	memcpy(&protocol, at, sizeof(protocol));
	if (ntohs(protocol) < 0x600)
		protocol = htons(vm_packet_size(s) >= VM_ETH_HLEN + 2 && at[2] == 0xff && at[3] == 0xff ? 1 : 4);
	vm_put32(s->ctx + SKB_PROTOCOL, protocol);
}

static int64_t take_tag(struct vm_state *s, uint32_t *tci)
{
	uint8_t *at = data_of(s);

	if (vm_packet_size(s) < VM_ETH_HLEN + VLAN_LEN)
		return -ENOMEM;
	*tci = (uint32_t)at[MACS_LEN + 2] << 8 | at[MACS_LEN + 3];
	memmove(at + VLAN_LEN, at, MACS_LEN);
	shift_front(s, VLAN_LEN);
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
		if (!is_vlan(vm_get32(s->ctx + SKB_PROTOCOL)))
			return 0;
		if (take_tag(s, &tci))
			return (uint64_t)-ENOMEM;
	}
	protocol = vm_get32(s->ctx + SKB_PROTOCOL);
	if (!is_vlan(protocol))
		return 0;
	if (take_tag(s, &tci))
		return (uint64_t)-ENOMEM;
	set_tag(s, 1, protocol, tci);
	return 0;
}

/* ---- Size ------------------------------------------------------------------------------------------------------ */

uint64_t vm_skb_change_tail(struct vm_state *s, const uint64_t *a)
{
	struct vm_packet *p = &s->packet;
	uint32_t size = (uint32_t)a[1], least = p->net > p->data ? p->net - p->data : 0;

	if (a[2] || size < least || size > p->last - p->data)
		return (uint64_t)-EINVAL;
	if (size > vm_packet_size(s))
		clear(s, p->buffer + p->end, size - vm_packet_size(s));
	p->end = p->data + size;
	return moved(s);
}

uint64_t vm_skb_change_head(struct vm_state *s, const uint64_t *a)
{
	struct vm_packet *p = &s->packet;
	int32_t by = (int32_t)a[1];

	if (a[2] || by < 0 || vm_packet_size(s) + (uint32_t)by > VM_SKB_MAX)
		return (uint64_t)-EINVAL;
	if ((uint32_t)by > p->data - p->first)
		return (uint64_t)-ENOMEM;
	p->data -= (uint32_t)by;
	p->mac = p->data;
	clear(s, data_of(s), (uint32_t)by);
	return moved(s);
}

static uint32_t base_length(uint32_t protocol)
{
	return protocol == htons(VM_P_IP) ? VM_IPV4_LEN : protocol == htons(VM_P_IPV6) ? VM_IPV6_LEN : 0;
}

/* The network header's length by the packet's type, or 0. */
static uint32_t net_base_length(const struct vm_state *s)
{
	return base_length(vm_get32(s->ctx + SKB_PROTOCOL));
}

/* Grows (by > 0) or shrinks the packet behind its first off bytes. */
static uint64_t change_room(struct vm_state *s, uint32_t off, int32_t by)
{
	struct vm_packet *p = &s->packet;
	uint8_t *at = data_of(s);

	vm_charge(s, off);
	memmove(at - by, at, off);
	if (by > 0)
		clear(s, at - by + off, (uint32_t)by);
	p->net = (uint32_t)((int32_t)p->net - by);
	shift_front(s, -by);
	return 0;
}

uint64_t vm_skb_adjust_room(struct vm_state *s, const uint64_t *a)
{
	struct vm_packet *p = &s->packet;
	int32_t by = (int32_t)a[1];
	uint32_t size = by < 0 ? 0u - (uint32_t)by : (uint32_t)by, base = net_base_length(s), mode = (uint32_t)a[2];
	uint32_t off = p->net - p->data + (mode == ROOM_NET ? base : 0);
	uint32_t rest = p->end > p->net ? p->end - p->net : 0;

	if (a[3] & ~(uint64_t)(ROOM_FIXED_GSO | ROOM_NO_CSUM_RESET))
		return (uint64_t)-EINVAL;
	if (size > 0xfff)
		return (uint64_t)-EFAULT;
	if (!base || mode > ROOM_MAC || p->net < p->data)
		return (uint64_t)-P2B_ENOTSUPP;
	if (by > 0 && vm_packet_size(s) + size > VM_SKB_MAX)
		return (uint64_t)-P2B_ENOTSUPP;
	if (by < 0 && (size >= rest || rest - size < base))
		return (uint64_t)-P2B_ENOTSUPP;
	if (off > vm_packet_size(s) || (by < 0 && size > vm_packet_size(s) - off) ||
	    (by > 0 && size > p->data - p->first))
		return (uint64_t)-ENOMEM;
	return change_room(s, off, by);
}

/* ---- Fields ---------------------------------------------------------------------------------------------------- */

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

/* net/core/filter.c: packets go nowhere here, but programs end with the kernel's answer. */
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

/* No device verified a checksum: asking says so, and there is nothing to change. */
uint64_t vm_csum_level(struct vm_state *s, const uint64_t *a)
{
	enum { QUERY = 0, RESET = 3 };

	(void)s;
	if (a[1] == QUERY)
		return (uint64_t)-EACCES;
	return a[1] > RESET ? (uint64_t)-EINVAL : 0;
}

/* The type behind all VLAN tags in the packet, 7 at most (vlan_get_protocol). */
static uint32_t inner_protocol(const struct vm_state *s)
{
	const struct vm_packet *p = &s->packet;
	uint32_t protocol = vm_get32(s->ctx + SKB_PROTOCOL);

	for (uint32_t at = p->mac + VM_ETH_HLEN, tags = 1; is_vlan(protocol); at += VLAN_LEN, tags++) {
		uint16_t next;

		if (at + VLAN_LEN > p->end || tags == VLAN_MAX_DEPTH)
			return 0;
		memcpy(&next, p->buffer + at + 2, sizeof(next));
		protocol = next;
	}
	return protocol;
}

/* One bit of IPv4's two becomes set: the sum goes up by 1 or 2, its complement down. */
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
	uint32_t base = base_length(inner_protocol(s));
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
