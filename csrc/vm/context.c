/* Contexts of test runs for all types of programs; and those of tracing programs, which are the given bytes. */
#include "vm/context.h"

enum { BUFFER = VM_SKB_HEADROOM + P2B_VM_PACKET_MAX + VM_PAGE };

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
	return prog->class == VM_XDP ? vm_xdp_begin(s, run) : vm_skb_begin(s, prog, run);
}

void vm_context_end(const struct vm_state *s, const struct p2b_vm_prog *prog, struct p2b_vm_run *run)
{
	if (prog->class == VM_XDP)
		vm_xdp_end(s, run);
	else if (prog->class == VM_SKB)
		vm_skb_end(s, prog, run);
	else if (run->ctx_out && run->ctx_size)
		memcpy(run->ctx_out, s->ctx, run->ctx_size);
}

void vm_context_free(struct vm_state *s, const struct p2b_vm_prog *prog)
{
	if (prog->class == VM_PLAIN)
		free(s->ctx);
}
