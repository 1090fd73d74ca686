/* XDP's helper functions: net/core/filter.c, bpf_xdp_adjust_head and so on. */
#include "vm/helpers/packets.h"

enum { XDP_ABORTED = 0, XDP_REDIRECT = 4 };

static uint64_t moved(struct vm_state *s)
{
	vm_forget(s);
	return 0;
}

uint64_t vm_xdp_adjust_head(struct vm_state *s, const uint64_t *a)
{
	struct vm_packet *p = &s->packet;
	int64_t by = (int32_t)a[1], data = p->data + by;
	uint32_t meta = p->data - p->meta;

	if (data < (int64_t)p->first + meta || data > (int64_t)vm_packet_direct(p) - VM_ETH_HLEN)
		return (uint64_t)-EINVAL;
	memmove(p->buffer + p->meta + by, p->buffer + p->meta, meta);
	p->data = (uint32_t)data;
	p->meta = p->data - meta;
	return moved(s);
}

/* How many bytes may be added at the end, in the first buffer or the last fragment. */
static uint32_t tailroom(const struct vm_packet *p)
{
	return p->end <= p->last ? p->last - p->end : (p->last - p->end) % VM_PAGE;
}

uint64_t vm_xdp_adjust_tail(struct vm_state *s, const uint64_t *a)
{
	struct vm_packet *p = &s->packet;
	int64_t by = (int32_t)a[1], end = p->end + by;

	if (by > (int64_t)tailroom(p) || end < (int64_t)p->data + VM_ETH_HLEN)
		return (uint64_t)-EINVAL;
	if (by > 0) {
		vm_charge(s, (uint64_t)by);
		memset(p->buffer + p->end, 0, (size_t)by);
	}
	p->end = (uint32_t)end;
	return moved(s);
}

uint64_t vm_xdp_adjust_meta(struct vm_state *s, const uint64_t *a)
{
	struct vm_packet *p = &s->packet;
	int64_t meta = p->meta + (int64_t)(int32_t)a[1];

	if (meta < p->first || meta > p->data)
		return (uint64_t)-EINVAL;
	if ((p->data - meta) % 4 || p->data - meta > VM_META_MAX)
		return (uint64_t)-EACCES;
	p->meta = (uint32_t)meta;
	return moved(s);
}

uint64_t vm_xdp_redirect(struct vm_state *s, const uint64_t *a)
{
	(void)s;
	return a[1] ? XDP_ABORTED : XDP_REDIRECT;
}

uint64_t vm_xdp_get_buff_len(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	return vm_packet_size(s);
}

static uint64_t copy(struct vm_state *s, const uint64_t *a, int store)
{
	uint8_t *mine = vm_argument(s, a[2], (uint32_t)a[3], !store), *packet;

	if (!mine)
		return 0;
	if ((uint32_t)a[1] > 0xffff || (uint32_t)a[3] > 0xffff)
		return (uint64_t)-EFAULT;
	packet = vm_packet_at(s, (uint32_t)a[1], (uint32_t)a[3]);
	if (!packet)
		return (uint64_t)-EINVAL;
	memmove(store ? packet : mine, store ? mine : packet, (uint32_t)a[3]);
	return 0;
}

uint64_t vm_xdp_load_bytes(struct vm_state *s, const uint64_t *a)
{
	return copy(s, a, 0);
}

uint64_t vm_xdp_store_bytes(struct vm_state *s, const uint64_t *a)
{
	return copy(s, a, 1);
}
