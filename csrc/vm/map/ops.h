/*
 * The inside of the VM's maps: a table of operations for each family, on elements that are named by number.
 *
 * Element number n (from 1; 0 means none) has its values at arena + (n - 1) * element: one, or one per CPU, stride
 * bytes apart. After each value at least VM_GAP bytes are unused, so that a program that runs over the end of one value
 * doesn't reach the next. Everything here runs under the machine's lock.
 */
#ifndef P2B_VM_MAP_OPS_H
#define P2B_VM_MAP_OPS_H

#include "vm/map/map.h"

enum {
	VM_ANY = 0, VM_NOEXIST = 1, VM_EXIST = 2, VM_F_LOCK = 4,        /* BPF_ANY ... of an update */
	VM_KEY_MAX = 512,
	VM_PER_CPU_MAX = 32 << 10,
	VM_PREFIX_MAX = 256,
	VM_GAP = 8,
	VM_ALL_CPUS = -1,
};

/* A value to be stored: one CPU's, or (VM_ALL_CPUS) user space's, which in a per-CPU map has all CPUs' values. */
struct vm_value {
	const uint8_t *bytes;
	int cpu;
};

struct vm_map_ops {
	int (*open)(struct vm_map *map);                        /* checks the sizes, creates state and arena */
	void (*close)(struct vm_map *map);                      /* frees the state */
	uint32_t (*search)(struct vm_map *map, const void *key);/* the element that a lookup of key finds */
	uint32_t (*locate)(struct vm_map *map, const void *key);/* the element of exactly this key; NULL: as search */
	void (*touch)(struct vm_map *map, uint32_t at);         /* a program read it; NULL: nothing to do */
	int (*put)(struct vm_map *map, const void *key, const struct vm_value *value, uint64_t flags);
	int (*remove)(struct vm_map *map, const void *key);
	uint32_t (*after)(struct vm_map *map, uint32_t at);     /* the next element (0: the first), 0 at the end */
	uint64_t (*count)(struct vm_map *map);                  /* NULL: elements are counted one by one */
	void (*key)(struct vm_map *map, uint32_t at, void *out);
	void (*read)(struct vm_map *map, uint32_t at, void *out);       /* for user space, if values aren't in the arena */
	int (*push)(struct vm_map *map, const void *value, uint64_t flags);
	int (*pop)(struct vm_map *map, void *value, int peek);
	int (*emit)(struct vm_map *map, uint32_t cpu, const void *data, uint32_t size);
	int (*begin_reading)(struct vm_map *map, uint32_t pages, int ordered); /* NULL: nothing to do */
	void (*take)(struct vm_map *map, struct p2b_batch *batch);              /* counts them in stats */
	int (*cpu_stats)(struct vm_map *map, uint32_t cpu, struct p2b_ring_stats *ret);  /* NULL: one buffer for all */
	void (*reset)(struct vm_map *map);                      /* the user releases it */
};

/* Announces records to readers by an eventfd that is readable while there are records. */
struct vm_wake {
	int fd;                 /* -1: nobody can wait */
	int raised;
	pid_t owner;            /* a forked child has the parent's eventfd, and must leave it alone */
};

struct vm_map_private {
	const struct vm_map_ops *ops;
	size_t element;                 /* bytes from one element to the next */
	size_t padded, passed;          /* sizes in bpf(2): of one CPU's value, and of all values of an element */
	int per_cpu, released;          /* released by the user, so that nobody waits for records */
	void *state;                    /* the family's own */
	void *family;                   /* what a trie has besides the state of its hash map */
	struct vm_wake wake;
	struct p2b_ring_stats stats;
};

#define VM_KIND_OPS(name, number, per_cpu, ops, flags, abilities) extern const struct vm_map_ops ops;
VM_MAP_KINDS(VM_KIND_OPS)
#undef VM_KIND_OPS

/* Zeroed memory that costs nothing until it is used, or NULL. Pass the size to vm_free again. */
void *vm_alloc(size_t size);
void vm_free(void *memory, size_t size);

/* From one value to the next, with the gap behind it. */
uint64_t vm_stride(uint32_t value_size);

/* Makes the arena of count elements. 0 or -errno. */
int vm_make_arena(struct vm_map *map, uint64_t count);

static inline void *vm_element(const struct vm_map *map, uint32_t at)
{
	return map->arena + (size_t)(at - 1) * map->private->element;
}

/* Stores a value into an element; the other CPUs' values of a new one become zero. */
void vm_store(struct vm_map *map, uint32_t at, const struct vm_value *value, int is_new);

/* The hash family, which LPM tries are built upon: keys of exactly key_size bytes. */
uint32_t vm_hash_locate(struct vm_map *map, const void *key);

int vm_wake_open(struct vm_wake *wake);
void vm_wake_close(struct vm_wake *wake);
void vm_wake_raise(struct vm_wake *wake);
void vm_wake_lower(struct vm_wake *wake);

/* p2b_vm_queue_read() of api/vm_maps.h, with the reader in place of its handle. */
struct p2b_reader;
int vm_queue_read(struct vm_map *map, uint32_t pages, uint32_t ordered, struct p2b_reader **ret);

#endif
