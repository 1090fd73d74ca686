/* The embedded VM's maps, and the queues that are read from them. */

/* The input of BPF_MAP_CREATE; kind is a number of enum bpf_map_type; a per-CPU map has n_cpus values per element. */
struct p2b_vm_map_spec {
	uint32_t kind, key_size, value_size, max_entries, flags, n_cpus;
	/*
	 * NULL, or memory for the values of an array with BPF_F_MMAPABLE, each at a multiple of 8: p2b_vm_array_size()
	 * zero bytes, which others may read and write at any time. The map calls done(memory) when nobody holds the map
	 * any more; programs may hold it for longer than the caller.
	 */
	void *memory;
	void (*done)(void *memory);
};

/* Bytes that the values of an array take in the VM; 0 if the array is impossible. */
uint64_t p2b_vm_array_size(uint32_t value_size, uint32_t max_entries);

/*
 * Makes a map. -EINVAL for kinds, sizes and flags that the kernel refuses or the VM lacks; -E2BIG; -ENOMEM. Closing the
 * handle releases the map, and empties a program array; programs that use the map hold it.
 */
int p2b_vm_map_create(struct p2b_vm *vm, const struct p2b_vm_map_spec *spec, struct p2b_handle *ret);

/*
 * One element, as with p2b_map_lookup and its neighbours, and with the kernel's errors; a per-CPU map's value is one
 * value per CPU, each padded to 8 bytes. Queues and stacks have no keys: take pops, lookup peeks, update pushes. These
 * functions wait while a program runs in the map's machine.
 */
int p2b_vm_map_lookup(struct p2b_handle *map, const void *key, void *value);
int p2b_vm_map_take(struct p2b_handle *map, const void *key, void *value);
int p2b_vm_map_update(struct p2b_handle *map, const void *key, const void *value, uint64_t flags);
int p2b_vm_map_delete(struct p2b_handle *map, const void *key);
int p2b_vm_map_update_many(struct p2b_handle *map, const void *keys, const void *values, uint32_t count,
			   uint64_t flags, uint32_t *done);

/* The key after key, oldest first; the first key if key is NULL or isn't in the map. -ENOENT: no more. */
int p2b_vm_map_next_key(struct p2b_handle *map, const void *key, void *next);

/* How many elements there are now. */
int64_t p2b_vm_map_count(struct p2b_handle *map);

/*
 * Copies all elements at one moment, oldest first (arrays: by index), into keys[cap] and values[cap]; with
 * P2B_WALK_DELETE also deletes them. Returns their number; or -ENOSPC if there are more than cap, and then does
 * nothing.
 */
int64_t p2b_vm_map_walk(struct p2b_handle *map, void *keys, void *values, uint64_t cap, uint32_t flags);

/*
 * Puts a program into a program array; NULL takes out the one that is there. Lookups of the index give id. -E2BIG: no
 * such index; -ENOENT: nothing to take out; -EINVAL: not a program array, or one of programs of another type.
 */
int p2b_vm_map_set_prog(struct p2b_handle *map, uint32_t index, struct p2b_handle *prog, uint32_t id);

/*
 * Reads a perf event array or a ring buffer of the VM; the reader holds the map. A perf event array gets its rings now,
 * pages (a power of two) for each CPU: programs that wrote to it earlier got -ENOENT, and a second reader is refused
 * with -EBUSY. If ordered isn't 0, the records of all its CPUs come in the order in which they were written. Ring
 * buffers have their room from the start, and ignore pages and ordered.
 */
int p2b_vm_queue_read(struct p2b_handle *map, uint32_t pages, uint32_t ordered, struct p2b_handle *ret);

/* Writes two numbers to ret: how many bytes of a ring buffer were consumed and produced. Returns 0 or -errno. */
int p2b_vm_ring_positions(struct p2b_handle *map, uint64_t *ret);

/*
 * User ring buffers of the machine, as with p2b_uring_send and its neighbours, except that any thread may send, and
 * there is nothing to wait for. The last function returns how many bytes programs have not read yet.
 */
int p2b_vm_user_ring_send(struct p2b_handle *map, const void *data, uint32_t size);
int64_t p2b_vm_user_ring_peek(struct p2b_handle *map, uint64_t *position, void *out, uint64_t cap, int take);
int64_t p2b_vm_user_ring_waiting(struct p2b_handle *map);
