/* Helper functions on an sk_buff's bytes and size: net/core/filter.c and skbuff.c, for linear packets of one owner. */
#include "vm/helpers/skb.h"

enum { RECOMPUTE_CSUM = 1, INVALIDATE_HASH = 2 };
enum { ROOM_NET = 0, ROOM_MAC = 1, ROOM_FIXED_GSO = 1, ROOM_NO_CSUM_RESET = 1 << 5 };
enum { OFFSET_NET = -0x100000, OFFSET_LINK = -0x200000 };

static void clear(struct vm_state *s, uint8_t *at, uint32_t size)
{
	vm_charge(s, size);
	memset(at, 0, size);
}

uint8_t *vm_packet_at(struct vm_state *s, uint64_t offset, uint64_t size)
{
	uint64_t all = vm_packet_size(s);

	return offset <= all && size <= all - offset ? vm_packet_data(s) + offset : NULL;
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

/* The bytes [at, at + size) of the buffer, or NULL if they end outside of the packet. */
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
	return vm_skb_moved(s);
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
	clear(s, vm_packet_data(s), (uint32_t)by);
	return vm_skb_moved(s);
}

/* The network header's length by the packet's type, or 0. */
static uint32_t net_base_length(const struct vm_state *s)
{
	return vm_base_length(vm_get32(s->ctx + SKB_PROTOCOL));
}

/* Grows (by > 0) or shrinks the packet behind its first off bytes. */
static uint64_t change_room(struct vm_state *s, uint32_t off, int32_t by)
{
	struct vm_packet *p = &s->packet;
	uint8_t *at = vm_packet_data(s);

	vm_charge(s, off);
	memmove(at - by, at, off);
	if (by > 0)
		clear(s, at - by + off, (uint32_t)by);
	p->net = (uint32_t)((int32_t)p->net - by);
	vm_skb_shift(s, -by);
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
