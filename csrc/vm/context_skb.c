/*
 * The contexts and packets of programs that get an sk_buff: bpf_prog_test_run_skb in net/bpf/test_run.c. Here an
 * sk_buff is in one piece, and may be larger than a page.
 */
#include <arpa/inet.h>

#include "vm/context.h"

enum { P_802_3 = 1, P_802_2 = 4, GSO_MAX_SEGS = 65535 };

static int is_l2(const struct p2b_vm_prog *prog)
{
	return prog->type == VM_SCHED_CLS || prog->type == VM_SCHED_ACT;
}

/* The fields of a given __sk_buff that count; all others must be zero (data_end may be anything). */
static const struct { uint8_t begin, end; } given[] = {
	{ SKB_MARK, SKB_MARK + 4 },
	{ SKB_PRIORITY, SKB_IFINDEX + 4 },
	{ SKB_CB, SKB_CB + 20 },
	{ SKB_TSTAMP, SKB_GSO_SEGS + 4 },
	{ SKB_GSO_SIZE, SKB_GSO_SIZE + 4 },
	{ SKB_HWTSTAMP, SKB_HWTSTAMP + 8 },
};
enum { GIVEN = sizeof(given) / sizeof(*given) };

static int check_given(const uint8_t *ctx, uint32_t size)
{
	uint32_t at = 0, wire = vm_get32(ctx + SKB_WIRE_LEN);

	for (int i = 0; i < GIVEN; i++) {
		if (!vm_is_zero(ctx, at, given[i].begin) &&
		    !(vm_is_zero(ctx, at, SKB_DATA_END) && vm_is_zero(ctx, SKB_DATA_END + 4, given[i].begin)))
			return -EINVAL;
		at = given[i].end;
	}
	if (!vm_is_zero(ctx, at, SKB_SIZE) || (wire && (wire < size || wire > 65536)))
		return -EINVAL;
	return vm_get32(ctx + SKB_GSO_SEGS) > GSO_MAX_SEGS ? -EINVAL : 0;
}

static void take_given(uint8_t *ctx, const uint8_t *from, uint32_t size)
{
	for (int i = 0; i < GIVEN; i++)
		memcpy(ctx + given[i].begin, from + given[i].begin, (size_t)(given[i].end - given[i].begin));
	if (!vm_get32(ctx + SKB_WIRE_LEN))
		vm_put32(ctx + SKB_WIRE_LEN, size);
	if (vm_get32(ctx + SKB_IFINDEX) <= VM_LOOPBACK)
		vm_put32(ctx + SKB_IFINDEX, VM_LOOPBACK);
}

/* eth_type_trans for the loopback device, whose own and broadcast addresses are zero. */
static uint32_t packet_type(const uint8_t *ethernet)
{
	static const uint8_t own[6];

	if (memcmp(ethernet, own, sizeof(own)) == 0)
		return VM_PACKET_HOST;
	return ethernet[0] & 1 ? VM_PACKET_MULTICAST : VM_PACKET_OTHERHOST;
}

static uint32_t packet_protocol(const uint8_t *data, uint32_t size)
{
	uint16_t protocol;

	memcpy(&protocol, data + 12, sizeof(protocol));
	if (ntohs(protocol) >= 0x600)
		return protocol;
	return htons(size >= VM_ETH_HLEN + 2 && data[14] == 255 && data[15] == 255 ? P_802_3 : P_802_2);
}

/* The socket that the kernel makes for the run has the packet's addresses. */
static void set_socket(uint8_t *ctx, const uint8_t *ip, uint32_t size)
{
	uint32_t protocol = vm_get32(ctx + SKB_PROTOCOL);

	if (protocol == htons(VM_P_IP)) {
		vm_put32(ctx + SKB_FAMILY, 2);
		if (size >= VM_IPV4_LEN) {
			memcpy(ctx + SKB_LOCAL_IP4, ip + 12, 4);
			memcpy(ctx + SKB_REMOTE_IP4, ip + 16, 4);
		}
	} else if (protocol == htons(VM_P_IPV6)) {
		vm_put32(ctx + SKB_FAMILY, 10);
		if (size >= VM_IPV6_LEN) {
			memcpy(ctx + SKB_LOCAL_IP6, ip + 8, 16);
			memcpy(ctx + SKB_REMOTE_IP6, ip + 24, 16);
		}
	}
}

static void fill_skb(uint8_t *ctx, const uint8_t *data, uint32_t size)
{
	memset(ctx, 0, SKB_SIZE);
	vm_put32(ctx + SKB_PKT_TYPE, packet_type(data));
	vm_put32(ctx + SKB_PROTOCOL, packet_protocol(data, size));
	vm_put32(ctx + SKB_IFINDEX, VM_LOOPBACK);
	set_socket(ctx, data + VM_ETH_HLEN, size - VM_ETH_HLEN);
}

/* The kernel's test runs refuse IP packets that are shorter than their header, which captures may contain. */
int vm_context_check(const struct p2b_vm_prog *prog, const struct p2b_vm_run *run)
{
	uint32_t protocol;

	if (prog->class != VM_SKB || run->data_size < VM_ETH_HLEN)
		return 0;
	protocol = packet_protocol(run->data, run->data_size);
	if (protocol == htons(VM_P_IP) && run->data_size < VM_ETH_HLEN + VM_IPV4_LEN)
		return -EINVAL;
	return protocol == htons(VM_P_IPV6) && run->data_size < VM_ETH_HLEN + VM_IPV6_LEN ? -EINVAL : 0;
}

int vm_skb_begin(struct vm_state *s, const struct p2b_vm_prog *prog, const struct p2b_vm_run *run)
{
	struct vm_packet *p = &s->packet;
	uint32_t pulled = is_l2(prog) ? 0 : VM_ETH_HLEN, size = run->data_size;
	uint8_t view[SKB_SIZE];

	*p = (struct vm_packet){ .buffer = s->vm->packet, .mac = VM_SKB_HEADROOM, .net = VM_SKB_HEADROOM + VM_ETH_HLEN,
				 .data = VM_SKB_HEADROOM + pulled, .meta = VM_SKB_HEADROOM + pulled,
				 .end = VM_SKB_HEADROOM + size, .writable = is_l2(prog) || prog->type == VM_LWT_XMIT };
	p->last = p->data + (size > VM_SKB_MAX ? size : VM_SKB_MAX);
	memcpy(p->buffer + VM_SKB_HEADROOM, run->data, size);
	s->ctx = s->skb;
	s->ctx_size = SKB_SIZE;
	fill_skb(s->ctx, run->data, size);
	vm_put32(s->ctx + SKB_LEN, size - pulled);
	if (!run->ctx_size)
		return 0;
	if (vm_copy_ctx(run, view, SKB_SIZE))
		return -E2BIG;
	if (check_given(view, size - pulled))
		return -EINVAL;
	take_given(s->ctx, view, size - pulled);
	return 0;
}

void vm_skb_end(const struct vm_state *s, const struct p2b_vm_prog *prog, struct p2b_vm_run *run)
{
	const struct vm_packet *p = &s->packet;
	uint32_t pulled = is_l2(prog) ? 0 : VM_ETH_HLEN;
	uint8_t view[SKB_SIZE];

	run->data_out_size = p->end - p->data + pulled;
	if (run->data_cap >= run->data_out_size) {
		memset(run->data_out, 0, pulled);
		memcpy((uint8_t *)run->data_out + pulled, p->buffer + p->data, p->end - p->data);
	}
	if (!run->ctx_out)
		return;
	vm_copy_ctx(run, view, SKB_SIZE);
	for (int i = 0; i < GIVEN; i++)
		memcpy(view + given[i].begin, s->ctx + given[i].begin, (size_t)(given[i].end - given[i].begin));
	memcpy(run->ctx_out, view, run->ctx_size < SKB_SIZE ? run->ctx_size : SKB_SIZE);
}
