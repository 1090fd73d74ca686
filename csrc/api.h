/*
 * The C core's interface, read twice: included by every .c file, and parsed by cffi (so: declarations only,
 * no preprocessor beyond the guard that the build script strips).
 *
 * Functions return 0 or a non-negative result, or -errno. Nothing here prints, allocates behind the caller's
 * back without a matching destroy, keeps globals, or knows of Python.
 */

enum p2b_kind {
	P2B_PLAIN = 0,
	P2B_LABEL = 1,
	P2B_JUMP = 2,
	P2B_LD64 = 3,
	P2B_LD_MAP = 4,
	P2B_LD_MAP_VALUE = 5,
	P2B_CALL_LOCAL = 6,
	P2B_LD_FUNC = 7,
	P2B_CALL_KFUNC = 8,
};

/* A symbolic instruction; py2bpf/asm.py packs the same 24 bytes. */
struct p2b_sym {
	uint8_t kind, code, dst, src;
	int16_t off;
	uint16_t reserved0;
	int32_t ref;
	uint32_t reserved1;
	int64_t imm;
};

/* Where and why encoding failed. */
struct p2b_fault {
	uint32_t index;    /* of the symbolic instruction */
	int64_t value;     /* the number that did not fit, or the unknown label, map or kernel function */
	const char *what;  /* static text */
};

/*
 * Encodes n symbolic instructions into out (8 bytes a slot, room for cap slots) and resolves jumps.
 * slot_of[i] (n entries, may be NULL) receives the slot where instruction i begins. Map loads and calls of
 * kernel functions get the map's or function's number as their imm; p2b_relocate then puts in what the kernel wants.
 * Returns the number of slots.
 */
int p2b_encode(const struct p2b_sym *syms, uint32_t n, void *out, uint32_t cap, uint32_t *slot_of,
	       struct p2b_fault *fault);

/*
 * Puts fds[number] into every map load of n_slots encoded slots, and kfuncs[number], the number of a function in the BTF
 * of vmlinux, into every call of a kernel function.
 */
int p2b_relocate(void *slots, uint32_t n_slots, const int *fds, uint32_t n_fds, const uint32_t *kfuncs,
		 uint32_t n_kfuncs, struct p2b_fault *fault);

/*
 * The number of the first type of that kind and name in a whole BTF blob of the host's byte order, in one pass over
 * its headers. -ENOENT without one, -EINVAL for what is no BTF of version 1 or has kinds unknown here.
 */
int p2b_btf_find(const void *btf, uint64_t size, uint32_t kind, const char *name);

/*
 * Where the types 1, 2, ... of such a blob begin, in bytes from its start. Returns their number; -EINVAL as above, and
 * for a last type that isn't whole; -ENOSPC where there are more than room.
 */
int p2b_btf_offsets(const void *btf, uint64_t size, uint32_t *offsets, uint32_t room);

/* ---- Handles -------------------------------------------------------------------------------------------------- */

/*
 * Who owns a descriptor, or an object of the core. The memory is the caller's and all zeros at first. What makes
 * something puts it into the handle before it returns, so that there is no moment between the two.
 *
 * Every call holds the handles that it uses. One that is closed meanwhile, by whatever thread, is given back when the
 * last such call ends. Later calls give -ESHUTDOWN, those before anything is there -EBADF.
 */
struct p2b_handle {
	uint64_t state;         /* closed or not, owning something or not, how many calls hold it */
	void *object;           /* NULL: it is a descriptor */
	void (*destroy)(void *object);
	int fd;                 /* of an object: 0, or one that others may watch */
};

/* Once or more often, from any thread, a signal handler too. */
void p2b_handle_close(struct p2b_handle *handle);

/* The descriptor, 0 for an object without one, or an error as above. Nothing holds it: another thread may close it. */
int p2b_handle_fd(const struct p2b_handle *handle);

/* Gives ret a descriptor of its own of the same open file, close-on-exec: of a handle's, or of somebody's number. */
int p2b_handle_copy(struct p2b_handle *handle, struct p2b_handle *ret);
int p2b_handle_borrow(int fd, struct p2b_handle *ret);

/* Descriptors that bpf(2) gets: uses[i] at byte at[i] of the attribute. */
struct p2b_uses {
	uint32_t n;
	struct p2b_handle *handles[4];
	uint32_t at[4];
};

/*
 * bpf(2); attr is a union bpf_attr of size bytes. Returns the call's non-negative result or -errno; where ret isn't NULL,
 * it owns the result, a descriptor, and that is 0. Not retried: whether EINTR and EAGAIN mean "again" depends on the
 * command.
 */
int p2b_bpf_call(int cmd, void *attr, uint32_t size, const struct p2b_uses *uses, struct p2b_handle *ret);

/* setsockopt(2) with a number at the level of sockets (SO_ATTACH_BPF ...). */
int p2b_set_socket(int fd, int option, int value);

/* perf_event_open(2), always close-on-exec; attr is a struct perf_event_attr. */
int p2b_perf_event_make(void *attr, int pid, int cpu, int group_fd, uint64_t flags, struct p2b_handle *ret);

/* ---- Loading ------------------------------------------------------------------------------------------------- */

/* What BPF_PROG_LOAD needs to know. Pointers are borrowed for the call. */
struct p2b_load {
	uint32_t prog_type;
	uint32_t expected_attach_type;
	const void *slots;      /* encoded, not relocated */
	uint32_t n_slots;
	struct p2b_handle *const *maps; /* what the numbers of maps and kernel functions in the slots mean */
	uint32_t n_maps;
	const uint32_t *kfuncs;
	uint32_t n_kfuncs;
	uint32_t prog_flags;
	const char *license;
	const char *name;       /* at most 15 of [A-Za-z0-9_.], or "" */
	struct p2b_handle *btf; /* what the records below refer to; used where n_func_info isn't 0 */
	uint32_t n_func_info;
	const void *func_info;  /* struct bpf_func_info[] */
	const void *line_info;  /* struct bpf_line_info[] */
	uint32_t n_line_info;
	uint32_t attach_btf_id; /* the type that the program is made for: a kernel function, an iterator's, a hook's; or 0 */
	struct p2b_handle *attach_btf; /* what counts that number: a module's BTF or another program; NULL: vmlinux */
};

/* A verifier log: text is NUL-terminated, owned by the log, NULL when the kernel wrote none. */
struct p2b_log {
	char *text;
	uint32_t length;        /* without the NUL */
	uint32_t truncated;     /* 1: longer than the kernel or memory allows; text is its beginning, or its end since 6.4 */
};

/*
 * Loads a program: without a log first and, when the kernel refuses it, once more with a log that grows until it fits.
 * The log names the instructions, unless the program was too much for the verifier (E2BIG): then it has only the
 * complaint; and of a log of more than 8 MiB kernels since 6.4 give the end. Signals wait meanwhile: one would have the
 * verifier give up.
 *
 * Returns 0, and ret owns the program; -errno of the refusal with *log filled; or -errno with fault->what set where the
 * slots name maps or functions that aren't there. p2b_log_free(log) afterwards in any case.
 */
int p2b_prog_make(const struct p2b_load *load, struct p2b_log *log, struct p2b_fault *fault, struct p2b_handle *ret);
void p2b_log_free(struct p2b_log *log);

/* ---- Maps ---------------------------------------------------------------------------------------------------- */

/*
 * One element. Buffers are key_size and value_size bytes of the map; a per-CPU map's value is one value per possible
 * CPU, each padded to 8 bytes. Return 0 or -errno (-ENOENT: no such key). flags as in bpf(2): BPF_ANY ...
 */
int p2b_map_lookup(struct p2b_handle *map, const void *key, void *value, uint64_t flags);
int p2b_map_lookup_and_delete(struct p2b_handle *map, const void *key, void *value, uint64_t flags);
int p2b_map_update(struct p2b_handle *map, const void *key, const void *value, uint64_t flags);
int p2b_map_delete(struct p2b_handle *map, const void *key);

/* The key after key (NULL: the first). -ENOENT after the last. Starts over when key was deleted: see p2b_walk. */
int p2b_map_next_key(struct p2b_handle *map, const void *key, void *next);

/*
 * Many elements in as few system calls as the kernel allows (batch where it has them, else one by one). keys and
 * values hold count contiguous entries. *done says how many were dealt with, also on failure. Deleting passes over
 * keys that are missing. Return 0 or -errno.
 */
int p2b_map_update_many(struct p2b_handle *map, uint32_t key_size, uint32_t value_size, const void *keys, const void *values,
			uint32_t count, uint64_t flags, uint32_t *done);
int p2b_map_delete_many(struct p2b_handle *map, uint32_t key_size, const void *keys, uint32_t count, uint32_t *done);

enum p2b_walk_flags {
	P2B_WALK_KEYS = 1,      /* never batch: key by key (LPM tries, whose batches start over at deleted keys) */
	P2B_WALK_DELETE = 2,    /* take every element out of the map while reading it */
	P2B_WALK_LOCK = 4,      /* read each value under its bpf_spin_lock */
};

/*
 * One pass over a map that others may change meanwhile: every key that is there throughout comes exactly once, no
 * key comes twice, and the pass ends. value_size as for lookup: all CPUs' values, padded.
 */
int p2b_walk_make(struct p2b_handle *map, uint32_t key_size, uint32_t value_size, uint32_t max_entries, uint32_t flags,
		  struct p2b_handle *ret);

/*
 * The next at most cap entries, into keys[cap] and values[cap]. Returns their number, 0 at the end, or -errno:
 * -ENOSPC asks for a larger cap (nothing is lost, call again), -EBUSY says that a walk by keys was overtaken by
 * deletions too often to promise completeness. One thread at a time.
 */
int p2b_walk_next(struct p2b_handle *walk, void *keys, void *values, uint32_t cap);

enum p2b_number { P2B_UNSIGNED = 0, P2B_SIGNED = 1, P2B_FLOAT = 2, P2B_BOOL = 3 };

/* Numbers within a value: count of them in a row, of size bytes each (1, 2, 4, 8; a float 4 or 8). */
struct p2b_field {
	uint32_t offset, count;
	uint32_t kind;          /* enum p2b_number */
	uint16_t size;
	uint16_t swapped;       /* not in the host's byte order */
};

/*
 * Adds up the values of all CPUs, for n entries as p2b_walk_next gives them: cpus values each, stride bytes apart. sums
 * receives 8 bytes for each number of each field, entry by entry: a uint64_t (a true bool counts as 1), an int64_t or a
 * double. -EOVERFLOW when 64 bits can't hold a sum, with the entry's number in *failed; -EINVAL for impossible fields.
 */
int p2b_sum(const void *values, uint64_t n, uint32_t cpus, uint32_t stride, const struct p2b_field *fields,
	    uint32_t n_fields, void *sums, uint64_t *failed);

/* ---- Event queues --------------------------------------------------------------------------------------------- */

/*
 * Where drains put records: size bytes each, one after another. Longer records are cut. Of shorter ones, those of least
 * bytes or more get zeros at their end, and the others are refused: they are gone, and counted here.
 *
 * What perf knows of a record's size is what the program wrote and the padding that makes it, plus 4, divisible by 8 (a
 * 4-byte record: 4; 8: 12; 32: 36).
 */
struct p2b_batch {
	void *out;              /* room for cap records */
	uint64_t cap;
	uint32_t size, least;
	uint32_t *cpus;         /* NULL, or room for cap numbers: who wrote each (0 in ring buffers) */
	uint32_t *sizes;        /* NULL, or room for cap numbers: what size each had */
	uint64_t n;             /* out: records that were put */
	uint64_t refused;       /* out, and of the first of them: */
	uint32_t refused_cpu, refused_size;
};

/* Counters of a reader. */
struct p2b_ring_stats {
	uint64_t records;       /* delivered */
	uint64_t lost;          /* found no room; before Linux 6.0 known only when a later record on that CPU did */
	uint64_t corrupt;       /* records whose sizes contradict each other: passed over; and refused ones */
};

/*
 * A reader of an event queue: of a perf event array, a ring buffer, or a queue of the embedded VM. A handle owns it.
 *
 * It belongs to the process that made it. In a child that fork(2) made, closing closes the child's descriptors and
 * leaves the parent's reader alone, cancelling does nothing, and everything else returns -ECHILD.
 */

/*
 * Takes waiting records, at most cap: what was there when the call began, so it ends however fast programs write. They
 * get the room back meanwhile. Returns 0, also where nothing was there, or -EINVAL for a batch that holds nothing. One
 * thread at a time.
 */
int p2b_queue_take(struct p2b_handle *queue, struct p2b_batch *batch);

/*
 * Waits until records are there: 1; 0 after timeout_ms (-1: no limit); -EINTR after a signal; -ECANCELED once
 * p2b_queue_cancel was called. Records that wait for a later wake-up (wakeup_events, watermark) don't count.
 */
int p2b_queue_wait(struct p2b_handle *queue, int timeout_ms);

/* From any thread, also a signal handler: ends this and every later wait. Taking still works, and holds nothing back. */
void p2b_queue_cancel(struct p2b_handle *queue);

/*
 * Gives ret the reader once more, with a descriptor that polls readable when records are there or the reader was
 * cancelled, for event loops: take them when it does, without a wait in between (asking takes the kernel's wake-up
 * mark). It is there until ret is closed, also when the queue is closed.
 */
int p2b_queue_poll(struct p2b_handle *queue, struct p2b_handle *ret);

/*
 * Makes that descriptor readable every ms milliseconds until the next drain, whether or not records are there (0: no
 * more): for what isn't announced.
 */
int p2b_queue_tick(struct p2b_handle *queue, uint32_t ms);

/*
 * Makes buffers for the CPUs that came online since the queue was made, or went and came back: records are refused there
 * until then, which programs see as -ENOENT and -EOPNOTSUPP. Gives how many were made. What the earlier buffers hold is
 * still delivered, before what comes later on that CPU. No other thread takes records meanwhile.
 */
int p2b_queue_revive(struct p2b_handle *queue);

/* Sums over all CPUs, or of one (-ENOENT where it has no buffer of its own); cpu -1: of all. */
int p2b_queue_stats(struct p2b_handle *queue, int64_t cpu, struct p2b_ring_stats *ret);

/*
 * Reads a perf event array: a ring of pages (a power of two) data pages for every online CPU below n_cpus, in the map
 * at the CPU's index; p2b_queue_revive() adds those that come. The reader is woken after wakeup_events records of a CPU,
 * or, when watermark is not 0, after that many bytes. Records are FIFO per CPU, an equal share of the room for every CPU first.
 *
 * With hold other than 0 the records of all CPUs come in the order of their times (CLOCK_MONOTONIC, taken when a program
 * begins to write one). One stays in its ring until every CPU has a later one there, or until it is hold nanoseconds
 * old: a program that takes longer than that to write one is too late, and its record comes behind younger ones. The
 * times are the kernel's; ahead is how many nanoseconds this process's clock is ahead of that, in a time namespace.
 */
int p2b_perfbuf_make(struct p2b_handle *map, uint32_t n_cpus, uint32_t pages, uint32_t wakeup_events,
		     uint32_t watermark, uint64_t hold, int64_t ahead, struct p2b_handle *ret);

/*
 * Reads a BPF ring buffer of size bytes: as records were reserved, up to the first that isn't submitted. Which
 * records are announced is up to the programs that write them. It counts no lost records: only programs see them.
 */
int p2b_ringbuf_make(struct p2b_handle *map, uint64_t size, struct p2b_handle *ret);

/* A perf ring in plain memory: size bytes (a power of two) at data, records from tail to head. */
struct p2b_perf_ring {
	const void *data;
	uint64_t size, tail, head;
	uint32_t cpu;
	uint32_t timed;         /* samples have times */
};

/*
 * Takes records while there is room, some tens of kB at most, and moves the tail behind them; of samples with times,
 * up to the first that is later than until. Never reads outside of data, whatever it holds.
 */
void p2b_perf_ring_walk(struct p2b_perf_ring *ring, uint64_t until, struct p2b_batch *batch,
			struct p2b_ring_stats *stats);

/* The time of the next sample, UINT64_MAX where there is none; 0 in front of what a walk will give up. */
uint64_t p2b_perf_ring_time(const struct p2b_perf_ring *ring);

/*
 * Likewise for a ring buffer: data is the ring of size bytes (a power of two) twice in a row, with records from
 * *position to end. A record that isn't submitted yet ends the walk.
 */
void p2b_ringbuf_walk(const void *data, uint64_t size, uint64_t *position, uint64_t end, struct p2b_batch *batch,
		      struct p2b_ring_stats *stats);

/* ---- User ring buffers --------------------------------------------------------------------------------------- */

/*
 * The writer of a BPF user ring buffer of size bytes (a power of two): programs take the records out, in order. A handle
 * owns it. One thread at a time sends or peeks; in a forked child all is -ECHILD.
 */
int p2b_uring_make(struct p2b_handle *map, uint64_t size, struct p2b_handle *ret);

/* 0; -ENOSPC: no room now; -E2BIG: it never fits; -EIO: the positions are nonsense. */
int p2b_uring_send(struct p2b_handle *ring, const void *data, uint32_t size);

/*
 * Copies the first record at or behind *position that no program has taken yet, and moves *position behind it; 0 where
 * there is none, -ENOSPC where it has more than cap bytes, else its size. With take no program will get it.
 */
int64_t p2b_uring_peek(struct p2b_handle *ring, uint64_t *position, void *out, uint64_t cap, int take);

/* The bytes that programs have not read yet, headers included. */
int64_t p2b_uring_waiting(struct p2b_handle *ring);

/* Waits until a record of size bytes may have room: 1, or another look is worth while; 0 after timeout_ms (-1: no
 * limit); -EINTR; -ECANCELED once p2b_uring_cancel was called, by any thread or signal handler. */
int p2b_uring_wait(struct p2b_handle *ring, uint32_t size, int timeout_ms);
void p2b_uring_cancel(struct p2b_handle *ring);

/* ---- The embedded VM ------------------------------------------------------------------------------------------ */

/*
 * A machine: a lock, a current CPU, a clock, random numbers, the lines that programs printed. Maps (next chapter) and
 * programs belong to one machine and hold it: they may be given back before or after it. Handles own them.
 */
struct p2b_vm;

int p2b_vm_create(uint32_t n_cpus, struct p2b_vm **ret);
void p2b_vm_destroy(struct p2b_vm *vm);

/* What a machine shows to programs. -EINVAL for an unknown setting, or a value that makes no sense. */
enum p2b_vm_setting {
	P2B_VM_CPU = 0,         /* the current CPU, below n_cpus; 0 at first */
	P2B_VM_SEED = 1,        /* where the random numbers start */
	P2B_VM_CLOCK = 2,       /* all clocks stand still at this many nanoseconds */
	P2B_VM_RUN_CLOCK = 3,   /* the clocks are the system's again (the value doesn't matter) */
	P2B_VM_IDLE = 4,        /* nothing: waits until the programs that run have ended, as all settings do */
};
int p2b_vm_set(struct p2b_vm *vm, uint32_t setting, uint64_t value);

/*
 * Takes what programs printed: lines with their newlines, as many bytes as cap has room for. Returns the number of
 * bytes, 0 when there are no more. *lost receives how many lines found no room (1 MiB) since the last call.
 */
int64_t p2b_vm_trace(struct p2b_vm *vm, char *out, uint64_t cap, uint64_t *lost);

/* After so many instructions programs yield to others: 65536, unless P2B_VM_SLICE was another when this was built. */
uint32_t p2b_vm_slice(void);

/*
 * A program: n_slots encoded slots, whose map loads name maps[number], whose calls of kernel functions name
 * kfuncs[number]. It holds the maps. What would make it leave its own code is refused here, as are instructions,
 * helpers and kernel functions that the machine doesn't have: -EINVAL with *fault saying at which slot and why, or
 * -E2BIG, as the kernel, for more than 1000000 slots or 64 maps.
 */
int p2b_vm_prog_create(struct p2b_vm *vm, const void *slots, uint32_t n_slots, uint32_t prog_type,
		       struct p2b_handle *const *maps, uint32_t n_maps, const char *const *kfuncs, uint32_t n_kfuncs,
		       struct p2b_fault *fault, struct p2b_handle *ret);

enum { P2B_VM_PACKET_MAX = 65535, P2B_VM_CTX_MAX = 65536 };

/*
 * A test run, with the rules of the kernel's BPF_PROG_TEST_RUN for the program's type (a packet's for network programs,
 * the context's bytes for all others).
 */
struct p2b_vm_run {
	const void *data;       /* the packet */
	uint32_t data_size;     /* 14 ... P2B_VM_PACKET_MAX for network programs, else 0 */
	uint32_t data_cap;      /* room at data_out: 0, or enough for P2B_VM_PACKET_MAX bytes */
	void *data_out;
	uint32_t data_out_size; /* out */
	uint32_t ctx_size;      /* in; 0: none is given */
	const void *ctx;        /* struct __sk_buff, struct xdp_md, or the context itself */
	void *ctx_out;          /* NULL, or room for ctx_size bytes: the context afterwards */
	uint32_t repeat;        /* 0 counts as 1 */
	uint32_t retval;        /* out: of the last run */
	uint64_t budget;        /* instructions of one run, about, and 8 bytes of helpers' work each; 0: 1 << 30 */
	/*
	 * NULL, or called about every 10 milliseconds, without the machine's lock: other than 0 ends the run. Meanwhile
	 * others read and change maps; programs run one after the other all the same.
	 */
	int (*pause)(void);
	uint64_t insns;         /* out: instructions executed in all runs */
	uint64_t duration;      /* out: mean time of a run in nanoseconds */
	struct p2b_fault fault; /* out, for -EFAULT: slot, address or number, reason */
	const void *fault_prog; /* the object of the program at fault: this one, or one that a tail call went to */
};

/*
 * Returns 0, -EFAULT after a fault of the program, -EINVAL for what the kernel refuses to run, -EINTR when pause()
 * ended it, -EDEADLK when called by pause().
 */
int p2b_vm_run(struct p2b_handle *prog, struct p2b_vm_run *run);

/*
 * Runs a network program once for each of n packets: packet i is sizes[i] bytes at data + offsets[i]; retvals (n
 * entries) and times (n nanoseconds each for all clocks; NULL: the clock is left alone) belong to them. Packets
 * shorter than 14 bytes are padded with zeros. Stops at the first failure. *done is the number of packets that ran.
 */
int p2b_vm_run_many(struct p2b_handle *prog, const void *data, uint64_t data_size, const uint64_t *offsets,
		    const uint32_t *sizes, const uint64_t *times, uint32_t n, uint32_t *retvals, uint32_t *done,
		    struct p2b_vm_run *run);

/*
 * Keeps programs and maps of the machine still: around fork(2), or the child would have a lock that nobody opens. In the
 * child p2b_vm_forked opens it: the parent's other threads, and what they ran, aren't there.
 */
void p2b_vm_lock(struct p2b_vm *vm);
void p2b_vm_unlock(struct p2b_vm *vm);
void p2b_vm_forked(struct p2b_vm *vm);

/* ---- The embedded VM's maps ----------------------------------------------------------------------------------- */

/* As BPF_MAP_CREATE takes it; kind is a number of enum bpf_map_type. n_cpus is how many values a per-CPU map has. */
struct p2b_vm_map_spec {
	uint32_t kind, key_size, value_size, max_entries, flags, n_cpus;
	/*
	 * NULL, or where the values of an array that has BPF_F_MMAPABLE shall lie, each at a multiple of 8: zeros, as many
	 * bytes as p2b_vm_array_size() tells, that others may read and write at any time. The map calls done(memory)
	 * when it needs them no more, which is when nobody holds it: a program may do so for longer than the caller.
	 */
	void *memory;
	void (*done)(void *memory);
};

/* Bytes that the values of an array take in the VM; 0 for what isn't possible. */
uint64_t p2b_vm_array_size(uint32_t value_size, uint32_t max_entries);

/*
 * Makes a map: -EINVAL for kinds, sizes and flags that the kernel refuses too (or that the VM lacks), -E2BIG, -ENOMEM.
 * Closing its handle releases it; programs that use it hold it, and a program array is emptied.
 */
int p2b_vm_map_create(struct p2b_vm *vm, const struct p2b_vm_map_spec *spec, struct p2b_handle *ret);

/*
 * One element, as p2b_map_lookup and its neighbours with the kernel's errors; a per-CPU map's value is one value per
 * CPU, each padded to 8 bytes. Queues and stacks have no keys: take pops, lookup peeks, update pushes. These wait while
 * a program runs in the map's machine.
 */
int p2b_vm_map_lookup(struct p2b_handle *map, const void *key, void *value);
int p2b_vm_map_take(struct p2b_handle *map, const void *key, void *value);
int p2b_vm_map_update(struct p2b_handle *map, const void *key, const void *value, uint64_t flags);
int p2b_vm_map_delete(struct p2b_handle *map, const void *key);
int p2b_vm_map_update_many(struct p2b_handle *map, const void *keys, const void *values, uint32_t count,
			   uint64_t flags, uint32_t *done);

/* The key after key (NULL: the first), oldest first; after a key that isn't there, the first. -ENOENT: no more. */
int p2b_vm_map_next_key(struct p2b_handle *map, const void *key, void *next);

/* How many elements there are now. */
int64_t p2b_vm_map_count(struct p2b_handle *map);

/*
 * All elements at one time, oldest first (arrays: by index), into keys[cap] and values[cap]; P2B_WALK_DELETE takes
 * them out. Returns their number, or -ENOSPC when there are more than cap, and then does nothing.
 */
int64_t p2b_vm_map_walk(struct p2b_handle *map, void *keys, void *values, uint64_t cap, uint32_t flags);

/*
 * Puts a program into a program array, id being what looking it up gives; NULL takes it out. -E2BIG: no such index;
 * -ENOENT: nothing to take out; -EINVAL: no program array, or one of programs of another type.
 */
int p2b_vm_map_set_prog(struct p2b_handle *map, uint32_t index, struct p2b_handle *prog, uint32_t id);

/*
 * Reads a perf event array or a ring buffer of the VM; the reader holds the map. A perf event array gets its rings now,
 * pages (a power of two) for each CPU: before, programs that write to it get -ENOENT, and a second reader is -EBUSY.
 * With ordered other than 0 the records of all its CPUs come in the order in which they were written. Ring buffers have
 * their room from the start, and ignore both.
 */
int p2b_vm_queue_read(struct p2b_handle *map, uint32_t pages, uint32_t ordered, struct p2b_handle *ret);

/* How many bytes of a ring buffer were consumed and produced: two numbers. Returns 0 or -errno. */
int p2b_vm_ring_positions(struct p2b_handle *map, uint64_t *ret);

/*
 * User ring buffers of the machine, as p2b_user_ring_send and its neighbours; anybody may send, nobody waits here. The
 * last one tells how many bytes nobody has read.
 */
int p2b_vm_user_ring_send(struct p2b_handle *map, const void *data, uint32_t size);
int64_t p2b_vm_user_ring_peek(struct p2b_handle *map, uint64_t *position, void *out, uint64_t cap, int take);
int64_t p2b_vm_user_ring_waiting(struct p2b_handle *map);

/* ---- Captures -------------------------------------------------------------------------------------------------- */

enum { P2B_PCAP_MAX = 1 << 24 };        /* no packet is larger: what says so isn't a record */

enum p2b_pcap_flags {
	P2B_PCAP_SWAPPED = 1,           /* numbers have the other byte order */
	P2B_PCAP_NG = 2,                /* pcapng blocks instead of pcap records */
};

/* Where packets lie. The arrays have cap entries, and are the caller's. */
struct p2b_pcap {
	uint64_t *offsets;              /* from data's begin */
	uint32_t *sizes;                /* bytes that were captured */
	uint64_t *times;                /* nanoseconds since 1970 */
	uint32_t cap;
	uint32_t n;                     /* out */
	uint32_t cut;                   /* out: how many of them were longer, but no more was captured */
	uint64_t used;                  /* in: where to begin; out: the first byte that belongs to none of them */
	const uint64_t *units;          /* pcap: one, the nanoseconds of a fraction. pcapng: ticks a second of each interface */
	uint32_t n_units;
};

/*
 * Finds packets in size bytes of a capture, behind its file header, until cap are found or something else comes: a
 * record that isn't whole, or (pcapng) a block that is no Enhanced Packet Block. Returns 0, or -EINVAL at a record that
 * can't be one: used is its begin, and the n packets before it are good.
 */
int p2b_pcap_index(const void *data, uint64_t size, uint32_t flags, struct p2b_pcap *pcap);
