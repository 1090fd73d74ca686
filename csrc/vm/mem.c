/* Which memory a running program may access: the slow path of every access, and helpers' arguments. */
#include "vm/budget.h"
#include "vm/mem.h"

static struct vm_region whole(const void *lo, uint64_t size, int allows)
{
	return (struct vm_region){ p2b_ptr(lo), size, UINT64_MAX, size, allows };
}

static struct vm_region packet_region(const struct vm_state *s)
{
	const struct vm_packet *p = &s->packet;

	if (!p->buffer)
		return (struct vm_region){ 0 };
	return whole(p->buffer + p->meta, vm_packet_direct(p) - p->meta, p->writable ? VM_WRITES : VM_READS);
}

static int within(const struct vm_region *r, uint64_t addr, uint64_t size)
{
	uint64_t at = addr - r->lo;

	return at < r->size && (at & r->mask) + size <= r->limit;
}

static int inside(const struct vm_region *r, uint64_t addr)
{
	return addr - r->lo < r->size;
}

/* The region that holds addr, or the gap that addr is in. */
static int find_region(const struct vm_state *s, uint64_t addr, struct vm_region *found)
{
	*found = packet_region(s);
	if (inside(found, addr))
		return 1;
	for (uint32_t i = 0; i < s->prog->n_maps; i++) {
		const struct vm_map *map = s->prog->maps[i];

		*found = (struct vm_region){ p2b_ptr(map->arena), map->arena_size, map->stride - 1, map->value_size,
					     map->flags & VM_RDONLY_PROG ? VM_ATOMICS : VM_WRITES | VM_ATOMICS };
		if ((map->abilities & VM_CAN_TOUCH) && inside(found, addr))
			return 1;
	}
	for (uint32_t i = 0; i < s->n_records; i++) {
		*found = whole(s->records[i].at, s->records[i].size, VM_WRITES | VM_ATOMICS);
		if (inside(found, addr))
			return 1;
	}
	return 0;
}

uint8_t *vm_translate_slow(struct vm_state *s, uint64_t addr, uint64_t size, int needs)
{
	struct vm_region found;

	if (!find_region(s, addr, &found))
		return NULL;
	s->last = found;
	return within(&found, addr, size) && (found.allows & needs) == needs ? (uint8_t *)(uintptr_t)addr : NULL;
}

static int in_ctx(const struct vm_state *s, uint64_t addr, uint64_t size)
{
	const struct vm_region ctx = whole(s->ctx, s->ctx_size, 1);

	return within(&ctx, addr, size);
}

enum { NEAR = 512 };

static const char *why_not(struct vm_state *s, uint64_t addr, uint64_t size, int write)
{
	const struct vm_region ctx = whole(s->ctx, s->ctx_size, 1);
	struct vm_region found;
	uint64_t depth = addr - s->stack_lo;

	if (addr < 4096)
		return write ? "write through a null pointer" : "read through a null pointer";
	if (within(&ctx, addr, 1))
		return write ? "this part of the context can't be written" : "read behind the end of the context";
	if (depth + VM_STRIDE < sizeof(s->stack) + VM_STRIDE) /* also just below it */
		return write ? "write outside of the stack frame" : "read outside of the stack frame";
	if (!find_region(s, addr, &found) && addr - ctx.lo < ctx.size + NEAR)
		return write ? "write behind the end of the context" : "read behind the end of the context";
	if (!find_region(s, addr, &found))
		return write ? "write to an address that is none of the program's" :
			       "read from an address that is none of the program's";
	if (within(&found, addr, size))
		return "write to memory that is read-only";
	return write ? "write behind the end of a map's value, a record or the packet" :
		       "read behind the end of a map's value, a record or the packet";
}

void vm_no_atomic(struct vm_state *s, uint64_t addr, uint64_t size, int needs)
{
	const struct vm_region packet = packet_region(s);

	if (addr & (size - 1))
		vm_fault(s, addr, "an atomic operation at an address that is no multiple of its size");
	else if (within(&packet, addr, size))
		vm_fault(s, addr, "an atomic operation on the packet, which the kernel doesn't allow");
	else if (needs & VM_WRITES)
		vm_fault(s, addr, "an atomic operation where the program has no writable memory");
	else
		vm_fault(s, addr, in_ctx(s, addr, size) ? "an atomic operation on the context" : why_not(s, addr, size, 0));
}

/* The packet's pointers, which have 32 bits in the context's structures, but 64 in registers. */
static int load_pointer(const struct vm_state *s, uint64_t offset, uint64_t *value)
{
	const struct vm_packet *p = &s->packet;
	int skb = s->prog->class == VM_SKB;

	if (s->prog->class == VM_PLAIN || !p->buffer)
		return 0;
	if (offset == (skb ? SKB_DATA : XDP_DATA))
		*value = p2b_ptr(p->buffer + p->data);
	else if (offset == (skb ? SKB_DATA_END : XDP_DATA_END))
		*value = p2b_ptr(p->buffer + vm_packet_direct(p));
	else if (offset == (skb ? SKB_DATA_META : XDP_DATA_META))
		*value = p2b_ptr(p->buffer + p->meta);
	else
		return 0;
	return 1;
}

static uint64_t load(const uint8_t *at, uint32_t size)
{
	uint16_t half;
	uint32_t word;
	uint64_t wide;

	switch (size) {
	case 1:
		return *at;
	case 2:
		memcpy(&half, at, 2);
		return half;
	case 4:
		memcpy(&word, at, 4);
		return word;
	default:
		memcpy(&wide, at, 8);
		return wide;
	}
}

int vm_load_slow(struct vm_state *s, uint64_t addr, uint32_t size, uint64_t *value)
{
	uint64_t offset = addr - p2b_ptr(s->ctx);

	if (!in_ctx(s, addr, size)) {
		vm_fault(s, addr, why_not(s, addr, size, 0));
		return 0;
	}
	if (size != 4 || !load_pointer(s, offset, value))
		*value = load(s->ctx + offset, size);
	return 1;
}

/*
 * Stores fields that are narrower in sk_buff than in __sk_buff as net/core/filter.c does, which compares queues as
 * 64-bit numbers: registers unsigned, the instruction's own constants signed.
 */
static void narrow(uint8_t *ctx, uint64_t word, uint32_t before, uint64_t value, int constant)
{
	enum { NO_QUEUE = 0xffff };
	uint32_t now = vm_get32(ctx + word);

	switch (word) {
	case SKB_TC_INDEX:
	case SKB_TC_CLASSID:
		vm_put32(ctx + word, now & 0xffff);
		break;
	case SKB_QUEUE_MAPPING:
		if (constant ? (int64_t)value >= NO_QUEUE : value >= NO_QUEUE)
			now = before;
		vm_put32(ctx + word, now & 0xffff);
		break;
	}
}

int vm_store_slow(struct vm_state *s, uint64_t addr, uint32_t size, uint64_t value, int constant)
{
	uint64_t offset = addr - p2b_ptr(s->ctx), word = offset & ~(uint64_t)3;
	uint64_t words = size == 8 ? 3 : 1;
	uint32_t before;

	if (!in_ctx(s, addr, size) || offset % size || word / 4 >= 64 ||
	    (s->ctx_writable >> word / 4 & words) != words) {
		vm_fault(s, addr, why_not(s, addr, size, 1));
		return 0;
	}
	before = vm_get32(s->ctx + word);
	memcpy(s->ctx + offset, &value, size);
	if (s->prog->class == VM_SKB)
		narrow(s->ctx, word, before, value, constant);
	return 1;
}

uint8_t *vm_argument(struct vm_state *s, uint64_t addr, uint64_t size, int write)
{
	static uint8_t nothing[1];
	uint8_t *found;

	if (size == 0)
		return nothing;
	if (size > UINT32_MAX) {
		vm_fault(s, size, "a size that is negative or too large");
		return NULL;
	}
	vm_charge(s, size);
	found = vm_translate(s, addr, size, write ? VM_WRITES : VM_READS);
	if (!found)
		vm_fault(s, addr, why_not(s, addr, size, write));
	return found;
}

struct vm_map *vm_map_argument(struct vm_state *s, uint64_t value)
{
	for (uint32_t i = 0; i < s->prog->n_maps; i++)
		if (p2b_ptr(s->prog->maps[i]) == value)
			return s->prog->maps[i];
	vm_fault(s, value, "a helper function's argument is no map");
	return NULL;
}

int vm_ctx_argument(struct vm_state *s, uint64_t value)
{
	if (value == p2b_ptr(s->ctx))
		return 1;
	vm_fault(s, value, "a helper function's argument is not the program's context");
	return 0;
}

uint64_t vm_readable(struct vm_state *s, uint64_t addr, uint64_t max)
{
	const struct vm_region ctx = whole(s->ctx, s->ctx_size, 0);
	uint64_t depth = addr - s->stack_lo, rest;
	struct vm_region found;

	if (depth < s->live && (depth & (VM_STRIDE - 1)) < VM_FRAME_SIZE)
		rest = VM_FRAME_SIZE - (depth & (VM_STRIDE - 1));
	else if (within(&ctx, addr, 1))
		rest = ctx.size - (addr - ctx.lo);
	else if (find_region(s, addr, &found) && within(&found, addr, 1))
		rest = found.limit - ((addr - found.lo) & found.mask);
	else
		return 0;
	return rest < max ? rest : max;
}
