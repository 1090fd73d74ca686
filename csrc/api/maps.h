/* The kernel's maps: single elements, batches, walks over all elements, and sums of per-CPU values. */

/*
 * One element. Buffers have the key_size and value_size of the map; a per-CPU map's value is one value per possible
 * CPU, each padded to 8 bytes. Return 0 or -errno (-ENOENT: no such key). flags as in bpf(2): BPF_ANY ...
 */
int p2b_map_lookup(struct p2b_handle *map, const void *key, void *value, uint64_t flags);
int p2b_map_lookup_and_delete(struct p2b_handle *map, const void *key, void *value, uint64_t flags);
int p2b_map_update(struct p2b_handle *map, const void *key, const void *value, uint64_t flags);
int p2b_map_delete(struct p2b_handle *map, const void *key);

/* The key after key (NULL: the first). -ENOENT after the last. Starts over if key was deleted: see p2b_walk_make. */
int p2b_map_next_key(struct p2b_handle *map, const void *key, void *next);

/*
 * Many elements in as few system calls as possible: in batches, or one by one if the kernel has no batches for the map.
 * keys and values hold count contiguous entries. *done receives how many entries were processed, also on failure.
 * Deleting skips missing keys. Return 0 or -errno.
 */
int p2b_map_update_many(struct p2b_handle *map, uint32_t key_size, uint32_t value_size, const void *keys, const void *values,
			uint32_t count, uint64_t flags, uint32_t *done);
int p2b_map_delete_many(struct p2b_handle *map, uint32_t key_size, const void *keys, uint32_t count, uint32_t *done);

enum p2b_walk_flags {
	P2B_WALK_KEYS = 1,      /* key by key, never in batches (LPM tries, whose batches start over at deleted keys) */
	P2B_WALK_DELETE = 2,    /* delete every element that was read */
	P2B_WALK_LOCK = 4,      /* read each value under its bpf_spin_lock */
};

/*
 * One pass over a map that others may change meanwhile: every key that stays in the map comes exactly once, no key
 * comes twice, and the pass ends. value_size as for lookup: the values of all CPUs, padded.
 */
int p2b_walk_make(struct p2b_handle *map, uint32_t key_size, uint32_t value_size, uint32_t max_entries, uint32_t flags,
		  struct p2b_handle *ret);

/*
 * The next at most cap entries, into keys[cap] and values[cap]. Returns their number, 0 at the end, or -errno:
 * -ENOSPC asks for a larger cap (nothing is lost, call again); -EBUSY means that deletions made a walk by keys start
 * over too often to be complete. One thread at a time.
 */
int p2b_walk_next(struct p2b_handle *walk, void *keys, void *values, uint32_t cap);

enum p2b_number { P2B_UNSIGNED = 0, P2B_SIGNED = 1, P2B_FLOAT = 2, P2B_BOOL = 3 };

/* Numbers within a value: count numbers in a row, each of size bytes (1, 2, 4, 8; a float 4 or 8). */
struct p2b_field {
	uint32_t offset, count;
	uint32_t kind;          /* enum p2b_number */
	uint16_t size;
	uint16_t swapped;       /* not in the host's byte order */
};

/*
 * Adds up the values of all CPUs, for n entries as p2b_walk_next gives them: cpus values each, stride bytes apart. sums
 * receives 8 bytes for each number of each field, entry by entry: a uint64_t (a true bool counts as 1), an int64_t or a
 * double. -EOVERFLOW if a sum doesn't fit 64 bits, with the entry's number in *failed; -EINVAL for impossible fields.
 */
int p2b_sum(const void *values, uint64_t n, uint32_t cpus, uint32_t stride, const struct p2b_field *fields,
	    uint32_t n_fields, void *sums, uint64_t *failed);
