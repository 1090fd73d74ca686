/* The contexts and packets of XDP programs, in a page and fragments: bpf_prog_test_run_xdp in net/bpf/test_run.c. */
#include "vm/context.h"

enum {
	SHARED_INFO = 320,              /* struct skb_shared_info, at the end of a packet's page */
	XDP_HEADROOM = 256,             /* XDP_PACKET_HEADROOM */
	XDP_FRAME = 40,                 /* struct xdp_frame, for which the headroom must have room */
};

int vm_xdp_begin(struct vm_state *s, const struct p2b_vm_run *run)
{
	struct vm_packet *p = &s->packet;
	uint32_t size = run->data_size, meta = 0, ingress = VM_LOOPBACK;
	uint8_t view[XDP_SIZE];

	s->ctx = s->skb;
	s->ctx_size = XDP_SIZE;
	memset(s->ctx, 0, XDP_SIZE);
	if (run->ctx_size) {
		if (vm_copy_ctx(run, view, XDP_SIZE))
			return -E2BIG;
		meta = vm_get32(view + XDP_DATA);
		if (vm_get32(view + XDP_DATA_META) || vm_get32(view + XDP_DATA_END) != size ||
		    vm_get32(view + XDP_EGRESS_IFINDEX) || meta > VM_META_MAX || meta % 4 || size < meta + VM_ETH_HLEN)
			return -EINVAL;
		ingress = vm_get32(view + XDP_INGRESS_IFINDEX) ?: VM_LOOPBACK;
		vm_put32(s->ctx + XDP_RX_QUEUE_INDEX, vm_get32(view + XDP_RX_QUEUE_INDEX));
	}
	vm_put32(s->ctx + XDP_INGRESS_IFINDEX, ingress);
	*p = (struct vm_packet){ .buffer = s->vm->packet, .first = XDP_FRAME, .last = VM_PAGE - SHARED_INFO,
				 .meta = XDP_HEADROOM - meta, .data = XDP_HEADROOM, .end = XDP_HEADROOM - meta + size,
				 .writable = 1 };
	memset(p->buffer + p->first, 0, p->meta - p->first); /* left by the run before */
	memcpy(p->buffer + p->meta, run->data, size);
	return 0;
}

void vm_xdp_end(const struct vm_state *s, struct p2b_vm_run *run)
{
	const struct vm_packet *p = &s->packet;
	uint8_t view[XDP_SIZE];

	run->data_out_size = p->end - p->meta;
	if (run->data_cap >= run->data_out_size)
		memcpy(run->data_out, p->buffer + p->meta, run->data_out_size);
	if (!run->ctx_out)
		return;
	vm_copy_ctx(run, view, XDP_SIZE);
	vm_put32(view + XDP_DATA, p->data - p->meta);
	vm_put32(view + XDP_DATA_END, vm_packet_direct(p) - p->meta);
	memcpy(run->ctx_out, view, run->ctx_size < XDP_SIZE ? run->ctx_size : XDP_SIZE);
}
