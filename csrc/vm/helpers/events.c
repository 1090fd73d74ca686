/* Helper functions on perf event arrays, ring buffers and user ring buffers. */
#include "vm/callback.h"
#include "vm/helpers/helpers.h"

/* ---- Perf event arrays ----------------------------------------------------------------------------------------- */

#define CTXLEN_MASK (0xfffffull << 32)
#define CURRENT_CPU 0xffffffffull

static uint64_t emit(struct vm_state *s, const uint64_t *a, uint32_t packet_bytes)
{
	struct vm_map *map = vm_map_for(s, a[1], VM_CAN_EMIT);
	const uint8_t *data = map ? vm_argument(s, a[3], a[4], 0) : NULL;
	uint32_t cpu = (uint32_t)a[2];
	uint64_t size = a[4] + packet_bytes;
	uint8_t *record;
	int err;

	if (!data)
		return 0;
	if (cpu == CURRENT_CPU)
		cpu = s->vm->cpu;
	if (cpu >= map->max_entries)
		return (uint64_t)-E2BIG;
	if (size > VM_PERF_RECORD_MAX)
		return (uint64_t)-E2BIG;
	if (cpu != s->vm->cpu)
		return (uint64_t)-EOPNOTSUPP;
	if (!packet_bytes)
		return (uint64_t)(int64_t)vm_map_emit(map, cpu, data, (uint32_t)size);
	vm_charge(s, size);
	record = malloc(size);
	if (!record)
		return (uint64_t)-ENOMEM;
	memcpy(record, data, a[4]);
	memcpy(record + a[4], s->packet.buffer + s->packet.data, packet_bytes);
	err = vm_map_emit(map, cpu, record, (uint32_t)size);
	free(record);
	return (uint64_t)(int64_t)err;
}

uint64_t vm_perf_event_output(struct vm_state *s, const uint64_t *a)
{
	return a[2] & ~CURRENT_CPU ? (uint64_t)-EINVAL : emit(s, a, 0);
}

/* For packets the upper half of the flags says how many of their bytes come behind the data. */
uint64_t vm_perf_event_output_skb(struct vm_state *s, const uint64_t *a)
{
	uint32_t bytes = (uint32_t)((a[2] & CTXLEN_MASK) >> 32);

	if (a[2] & ~(CTXLEN_MASK | CURRENT_CPU))
		return (uint64_t)-EINVAL;
	return bytes > vm_packet_size(s) ? (uint64_t)-EFAULT : emit(s, a, bytes);
}

/* ---- Ring buffers ---------------------------------------------------------------------------------------------- */

enum { WAKE_FLAGS = 3 };

uint64_t vm_ringbuf_output(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_RESERVE);
	const uint8_t *data = map ? vm_argument(s, a[1], a[2], 0) : NULL;

	if (!data)
		return 0;
	if (a[3] & ~(uint64_t)WAKE_FLAGS)
		return (uint64_t)-EINVAL;
	return (uint64_t)(int64_t)vm_map_emit(map, s->vm->cpu, data, (uint32_t)a[2]);
}

uint64_t vm_ringbuf_reserve(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_RESERVE);
	uint8_t *at;

	if (!map || a[2])
		return 0;
	if (s->n_records == VM_RECORDS)
		return vm_fault(s, VM_RECORDS, "too many ring buffer records that are neither submitted nor discarded");
	at = a[1] ? vm_ring_reserve(map, a[1]) : NULL;
	if (at)
		s->records[s->n_records++] = (struct vm_record){ map, at, a[1] };
	return p2b_ptr(at);
}

static uint64_t finish(struct vm_state *s, uint64_t addr, int discard)
{
	for (uint32_t i = 0; i < s->n_records; i++) {
		struct vm_record *r = &s->records[i];

		if (p2b_ptr(r->at) != addr)
			continue;
		vm_ring_submit(r->map, r->at, discard);
		*r = s->records[--s->n_records];
		vm_forget(s);
		return 0;
	}
	return vm_fault(s, addr, "this is no reserved record of a ring buffer");
}

uint64_t vm_ringbuf_submit(struct vm_state *s, const uint64_t *a)
{
	return finish(s, a[0], 0);
}

uint64_t vm_ringbuf_discard(struct vm_state *s, const uint64_t *a)
{
	return finish(s, a[0], 1);
}

uint64_t vm_ringbuf_query(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_RESERVE);

	return map ? vm_ring_query(map, a[1]) : 0;
}

/* ---- User ring buffers ------------------------------------------------------------------------------------------ */

enum { DRAIN_MAX = 128 << 10 };

/* The record that a callback gets is a token: nobody reads memory through it. */
static uint64_t record_token(struct vm_state *s)
{
	return p2b_ptr(&s->user_record);
}

uint64_t vm_user_ringbuf_drain(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_DRAIN);
	const struct vm_insn *entry = map ? vm_callback(s, a[1]) : NULL;
	uint64_t n = 0, stop = 0;

	if (!entry)
		return 0;
	if (a[3] & ~(uint64_t)WAKE_FLAGS)
		return (uint64_t)-EINVAL;
	if (s->user_record.map)
		return (uint64_t)-EBUSY;
	while (!stop && n < DRAIN_MAX) {
		uint32_t size = vm_user_ring_next(map);

		vm_charge(s, map->work);
		map->work = 0;
		if (!size)
			break;
		s->user_record = (struct vm_user_record){ map, size };
		stop = vm_call_back(s, entry, record_token(s), a[2]);
		s->user_record.map = NULL;
		vm_user_ring_drop(map, size);
		if (s->why)
			return 0;
		n++;
	}
	return n;
}

uint64_t vm_dynptr_read(struct vm_state *s, const uint64_t *a)
{
	const struct vm_user_record *r = &s->user_record;
	uint8_t *to;

	if (a[2] != record_token(s) || !r->map)
		return vm_fault(s, a[2], "this is no record of a user ring buffer");
	to = vm_argument(s, a[0], a[1], 1);
	if (!to)
		return 0;
	if (a[4])
		return (uint64_t)-EINVAL;
	if (a[1] > r->size || (uint32_t)a[3] > r->size - a[1])
		return (uint64_t)-E2BIG;
	vm_user_ring_read(r->map, (uint32_t)a[3], to, (uint32_t)a[1]);
	return 0;
}
