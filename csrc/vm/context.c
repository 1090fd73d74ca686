/*
 * Contexts and packets of test runs: bpf_prog_test_run_skb and _xdp in net/bpf/test_run.c. XDP packets lie in
 * a page and fragments, as there. An sk_buff is in one piece, and may be larger than the kernel's page. The device is the
 * loopback device, number 1.
 */
#include <arpa/inet.h>

#include "vm/context.h"

enum {
	SHARED_INFO = 320,              /* struct skb_shared_info, at the end of a packet's page */
	SKB_HEADROOM = 1 << 15,
	XDP_HEADROOM = 256,             /* XDP_PACKET_HEADROOM */
	XDP_FRAME = 40,                 /* struct xdp_frame, which the headroom must keep room for */
	BUFFER = SKB_HEADROOM + P2B_VM_PACKET_MAX + VM_PAGE,
	LOOPBACK = 1,
	P_802_3 = 1, P_802_2 = 4,
	GSO_MAX_SEGS = 65535,
};

static int is_l2(const struct p2b_vm_prog *prog)
{
	return prog->type == VM_SCHED_CLS || prog->type == VM_SCHED_ACT;
}

#define WORD(offset) (1ull << (offset) / 4)
#define CB_WORDS (31ull << SKB_CB / 4)
#define TSTAMP_WORDS (3ull << SKB_TSTAMP / 4)

/* What programs may store into their context (the is_valid_access functions of net/core/filter.c). */
static uint64_t writable_words(const struct p2b_vm_prog *prog)
{
	switch (prog->type) {
	case VM_SOCKET_FILTER:
		return CB_WORDS;
	case VM_SCHED_CLS:
	case VM_SCHED_ACT:
		return WORD(SKB_MARK) | WORD(SKB_TC_INDEX) | WORD(SKB_PRIORITY) | WORD(SKB_TC_CLASSID) | CB_WORDS |
		       TSTAMP_WORDS | WORD(SKB_QUEUE_MAPPING);
	case VM_CGROUP_SKB:
		return WORD(SKB_MARK) | WORD(SKB_PRIORITY) | CB_WORDS | TSTAMP_WORDS;
	case VM_LWT_IN:
	case VM_LWT_OUT:
	case VM_LWT_XMIT:
		return WORD(SKB_MARK) | WORD(SKB_PRIORITY) | CB_WORDS;
	default:
		return 0;
	}
}

static int make_buffer(struct p2b_vm *vm)
{
	if (!vm->packet)
		vm->packet = calloc(1, BUFFER);
	return vm->packet ? 0 : -ENOMEM;
}

/* ---- sk_buffs -------------------------------------------------------------------------------------------------- */

static int is_zero(const uint8_t *ctx, uint32_t begin, uint32_t end)
{
	while (begin < end && !ctx[begin])
		begin++;
	return begin == end;
}

/* What of a given __sk_buff counts; all else must be zero (data_end may be anything). */
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
		if (!is_zero(ctx, at, given[i].begin) &&
		    !(is_zero(ctx, at, SKB_DATA_END) && is_zero(ctx, SKB_DATA_END + 4, given[i].begin)))
			return -EINVAL;
		at = given[i].end;
	}
	if (!is_zero(ctx, at, SKB_SIZE) || (wire && (wire < size || wire > 65536)))
		return -EINVAL;
	return vm_get32(ctx + SKB_GSO_SEGS) > GSO_MAX_SEGS ? -EINVAL : 0;
}

static void take_given(uint8_t *ctx, const uint8_t *from, uint32_t size)
{
	for (int i = 0; i < GIVEN; i++)
		memcpy(ctx + given[i].begin, from + given[i].begin, (size_t)(given[i].end - given[i].begin));
	if (!vm_get32(ctx + SKB_WIRE_LEN))
		vm_put32(ctx + SKB_WIRE_LEN, size);
	if (vm_get32(ctx + SKB_IFINDEX) <= LOOPBACK)
		vm_put32(ctx + SKB_IFINDEX, LOOPBACK);
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
	vm_put32(ctx + SKB_IFINDEX, LOOPBACK);
	set_socket(ctx, data + VM_ETH_HLEN, size - VM_ETH_HLEN);
}

/* Test runs take no IP packet that is shorter than its header; captures have such. */
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

/* The given context, cut or extended to size bytes; what is cut must be zero. */
static int copy_ctx(const struct p2b_vm_run *run, uint8_t *to, uint32_t size)
{
	if (run->ctx_size > size && !is_zero(run->ctx, size, run->ctx_size))
		return -E2BIG;
	memset(to, 0, size);
	memcpy(to, run->ctx, run->ctx_size < size ? run->ctx_size : size);
	return 0;
}

static int begin_skb(struct vm_state *s, const struct p2b_vm_prog *prog, const struct p2b_vm_run *run)
{
	struct vm_packet *p = &s->packet;
	uint32_t pulled = is_l2(prog) ? 0 : VM_ETH_HLEN, size = run->data_size;
	uint8_t view[SKB_SIZE];

	*p = (struct vm_packet){ .buffer = s->vm->packet, .mac = SKB_HEADROOM, .net = SKB_HEADROOM + VM_ETH_HLEN,
				 .data = SKB_HEADROOM + pulled, .meta = SKB_HEADROOM + pulled,
				 .end = SKB_HEADROOM + size, .writable = is_l2(prog) || prog->type == VM_LWT_XMIT };
	p->last = p->data + (size > VM_SKB_MAX ? size : VM_SKB_MAX);
	memcpy(p->buffer + SKB_HEADROOM, run->data, size);
	s->ctx = s->skb;
	s->ctx_size = SKB_SIZE;
	fill_skb(s->ctx, run->data, size);
	vm_put32(s->ctx + SKB_LEN, size - pulled);
	if (!run->ctx_size)
		return 0;
	if (copy_ctx(run, view, SKB_SIZE))
		return -E2BIG;
	if (check_given(view, size - pulled))
		return -EINVAL;
	take_given(s->ctx, view, size - pulled);
	return 0;
}

static void end_skb(const struct vm_state *s, const struct p2b_vm_prog *prog, struct p2b_vm_run *run)
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
	copy_ctx(run, view, SKB_SIZE);
	for (int i = 0; i < GIVEN; i++)
		memcpy(view + given[i].begin, s->ctx + given[i].begin, (size_t)(given[i].end - given[i].begin));
	memcpy(run->ctx_out, view, run->ctx_size < SKB_SIZE ? run->ctx_size : SKB_SIZE);
}

/* ---- XDP ------------------------------------------------------------------------------------------------------- */

static int begin_xdp(struct vm_state *s, const struct p2b_vm_run *run)
{
	struct vm_packet *p = &s->packet;
	uint32_t size = run->data_size, meta = 0, ingress = LOOPBACK;
	uint8_t view[XDP_SIZE];

	s->ctx = s->skb;
	s->ctx_size = XDP_SIZE;
	memset(s->ctx, 0, XDP_SIZE);
	if (run->ctx_size) {
		if (copy_ctx(run, view, XDP_SIZE))
			return -E2BIG;
		meta = vm_get32(view + XDP_DATA);
		if (vm_get32(view + XDP_DATA_META) || vm_get32(view + XDP_DATA_END) != size ||
		    vm_get32(view + XDP_EGRESS_IFINDEX) || meta > VM_META_MAX || meta % 4 || size < meta + VM_ETH_HLEN)
			return -EINVAL;
		ingress = vm_get32(view + XDP_INGRESS_IFINDEX) ?: LOOPBACK;
		vm_put32(s->ctx + XDP_RX_QUEUE_INDEX, vm_get32(view + XDP_RX_QUEUE_INDEX));
	}
	vm_put32(s->ctx + XDP_INGRESS_IFINDEX, ingress);
	*p = (struct vm_packet){ .buffer = s->vm->packet, .first = XDP_FRAME, .last = VM_PAGE - SHARED_INFO,
				 .meta = XDP_HEADROOM - meta, .data = XDP_HEADROOM, .end = XDP_HEADROOM - meta + size,
				 .writable = 1 };
	memset(p->buffer + p->first, 0, p->meta - p->first); /* of the run before */
	memcpy(p->buffer + p->meta, run->data, size);
	return 0;
}

static void end_xdp(const struct vm_state *s, struct p2b_vm_run *run)
{
	const struct vm_packet *p = &s->packet;
	uint8_t view[XDP_SIZE];

	run->data_out_size = p->end - p->meta;
	if (run->data_cap >= run->data_out_size)
		memcpy(run->data_out, p->buffer + p->meta, run->data_out_size);
	if (!run->ctx_out)
		return;
	copy_ctx(run, view, XDP_SIZE);
	vm_put32(view + XDP_DATA, p->data - p->meta);
	vm_put32(view + XDP_DATA_END, vm_packet_direct(p) - p->meta);
	memcpy(run->ctx_out, view, run->ctx_size < XDP_SIZE ? run->ctx_size : XDP_SIZE);
}

/* ---- All others: the context is what was given ------------------------------------------------------------------ */

static int begin_plain(struct vm_state *s, const struct p2b_vm_run *run)
{
	if (run->data_size || run->ctx_size > P2B_VM_CTX_MAX)
		return -EINVAL;
	s->ctx = malloc(run->ctx_size ? run->ctx_size : 1);
	if (!s->ctx)
		return -ENOMEM;
	s->ctx_size = run->ctx_size;
	if (run->ctx_size)
		memcpy(s->ctx, run->ctx, run->ctx_size);
	return 0;
}

int vm_context_begin(struct vm_state *s, const struct p2b_vm_prog *prog, const struct p2b_vm_run *run)
{
	s->ctx_writable = writable_words(prog);
	if (prog->class == VM_PLAIN)
		return begin_plain(s, run);
	if (run->data_size < VM_ETH_HLEN || run->data_size > P2B_VM_PACKET_MAX)
		return -EINVAL;
	if (make_buffer(s->vm))
		return -ENOMEM;
	return prog->class == VM_XDP ? begin_xdp(s, run) : begin_skb(s, prog, run);
}

void vm_context_end(const struct vm_state *s, const struct p2b_vm_prog *prog, struct p2b_vm_run *run)
{
	if (prog->class == VM_XDP)
		end_xdp(s, run);
	else if (prog->class == VM_SKB)
		end_skb(s, prog, run);
	else if (run->ctx_out && run->ctx_size)
		memcpy(run->ctx_out, s->ctx, run->ctx_size);
}

void vm_context_free(struct vm_state *s, const struct p2b_vm_prog *prog)
{
	if (prog->class == VM_PLAIN)
		free(s->ctx);
}
