/*
 * The embedded VM's maps as user space, programs and helper functions see them; vm/map/ops.h has what is inside.
 *
 * Callers of the functions for programs hold the machine's lock (vm_lock). These functions take any kind of map, since
 * a program may pass any: an operation that the kind lacks gives NULL or -EINVAL (-EOPNOTSUPP where the kernel does).
 */
#ifndef P2B_VM_MAP_H
#define P2B_VM_MAP_H

#include "vm/map/kinds.h"
#include "vm/vm.h"

struct p2b_vm_prog;
struct vm_map_private;

/*
 * A map. The first reference is the user's; each program that uses the map has another (vm_map_hold). As in the kernel,
 * a program array releases its programs when the user releases it, or else a program in its own array would never be
 * freed.
 *
 * Programs may read and write all of the arena: it holds values and nothing that the map relies on.
 */
struct vm_map {
	struct p2b_vm *vm;      /* the machine, which the map holds */
	uint32_t refs;          /* change it with the atomic functions below */
	uint32_t kind, key_size, value_size, max_entries, flags, n_cpus;
	uint32_t abilities;     /* VM_CAN_FIND ... */
	uint8_t *arena;         /* every value that a program can get a pointer to; there from creation, never moved */
	size_t arena_size;
	void (*done)(void *memory);     /* NULL, or gives the arena back to the user */
	uint64_t work;          /* bytes that operations touched besides key and value; callers that count reset it */
	uint64_t stride;        /* from one value in the arena to the next, a power of two: behind each is a gap */
	struct vm_map_private *private;
	void (*free)(struct vm_map *map);       /* called when the last reference is gone, also of the machine */
};

static inline void vm_map_hold(struct vm_map *map)
{
	__atomic_add_fetch(&map->refs, 1, __ATOMIC_RELAXED);
}

static inline void vm_map_release(struct vm_map *map)
{
	if (__atomic_sub_fetch(&map->refs, 1, __ATOMIC_ACQ_REL) == 0)
		map->free(map);
}

/*
 * The functions for user space, as in api/vm_maps.h, with the map in place of its handle (vm/handles.c). Each takes the
 * machine's lock itself; destroying releases a reference.
 */
int vm_map_create(struct p2b_vm *vm, const struct p2b_vm_map_spec *spec, struct vm_map **ret);
void vm_map_destroy(struct vm_map *map);
int vm_map_lookup(struct vm_map *map, const void *key, void *value);
int vm_map_take(struct vm_map *map, const void *key, void *value);
int vm_map_update(struct vm_map *map, const void *key, const void *value, uint64_t flags);
int vm_map_delete(struct vm_map *map, const void *key);
int vm_map_update_many(struct vm_map *map, const void *keys, const void *values, uint32_t count, uint64_t flags,
		       uint32_t *done);
int vm_map_next_key(struct vm_map *map, const void *key, void *next);
int64_t vm_map_count(struct vm_map *map);
int64_t vm_map_walk(struct vm_map *map, void *keys, void *values, uint64_t cap, uint32_t flags);
int vm_map_set_prog(struct vm_map *map, uint32_t index, struct p2b_vm_prog *prog, uint32_t id);
void vm_ring_positions(struct vm_map *map, uint64_t *ret);
int vm_user_ring_send(struct vm_map *map, const void *data, uint32_t size);
int64_t vm_user_ring_peek(struct vm_map *map, uint64_t *position, void *out, uint64_t cap, int take);
uint64_t vm_user_ring_waiting(struct vm_map *map);

/* ---- What programs do ----------------------------------------------------------------------------------------- */

/* What bpf_map_lookup_elem gives: a pointer to value_size bytes in the arena, or NULL. cpu counts for per-CPU kinds. */
void *vm_map_find(struct vm_map *map, const void *key, uint32_t cpu);

/* 0 or -errno as in the kernel: -EEXIST, -ENOENT, -E2BIG, -EINVAL for flags. Sets one CPU's value of a per-CPU map. */
int vm_map_put(struct vm_map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu);
int vm_map_del(struct vm_map *map, const void *key);

/* Queues and stacks: value_size bytes in or out; 0 or -errno. */
int vm_map_push(struct vm_map *map, const void *value, uint64_t flags);
int vm_map_pop(struct vm_map *map, void *value);
int vm_map_peek(struct vm_map *map, void *value);

/* Queues a record for perf_event_output or ringbuf_output. 0, or -ENOSPC (perf), -EAGAIN (ring), which count a loss. */
enum { VM_PERF_RECORD_MAX = (1 << 16) - 1 };      /* bytes: what the size in a record's header can say */
int vm_map_emit(struct vm_map *map, uint32_t cpu, const void *data, uint32_t size);

/*
 * A record of a ring buffer: size bytes that stay where they are until the record is submitted or discarded, NULL
 * when there is no room (which counts a loss). The machine calls submit exactly once, with what reserve gave.
 */
void *vm_ring_reserve(struct vm_map *map, uint64_t size);
void vm_ring_submit(struct vm_map *map, void *record, int discard);

/* The result of bpf_ringbuf_query for flags (BPF_RB_AVAIL_DATA ...), 0 for unknown ones. */
uint64_t vm_ring_query(struct vm_map *map, uint64_t flags);

/* A user ring buffer's oldest record: its size (0: there is none), copying some of its bytes, and removing it. */
uint32_t vm_user_ring_next(struct vm_map *map);
void vm_user_ring_read(const struct vm_map *map, uint32_t offset, void *to, uint32_t size);
void vm_user_ring_drop(struct vm_map *map, uint32_t size);

/* The program at an index of a program array, or NULL. */
struct p2b_vm_prog *vm_map_prog(struct vm_map *map, uint32_t index);

#endif
