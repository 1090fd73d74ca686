/* The embedded VM: machines, programs, test runs. */

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
