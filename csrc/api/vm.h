/* The embedded VM: machines, programs, test runs. */

/*
 * A machine: a lock, a current CPU, a clock, random numbers, the lines that programs printed. Maps (vm_maps.h) and
 * programs belong to one machine and hold it, so they may be released before or after it. Handles own them.
 */
struct p2b_vm;

int p2b_vm_create(uint32_t n_cpus, struct p2b_vm **ret);
void p2b_vm_destroy(struct p2b_vm *vm);

/* What programs see of the machine. -EINVAL for an unknown setting or an invalid value. */
enum p2b_vm_setting {
	P2B_VM_CPU = 0,         /* the current CPU, below n_cpus; 0 at first */
	P2B_VM_SEED = 1,        /* where the random numbers start */
	P2B_VM_CLOCK = 2,       /* all clocks stand still at this many nanoseconds */
	P2B_VM_RUN_CLOCK = 3,   /* the clocks are the system's again (the value doesn't matter) */
	P2B_VM_IDLE = 4,        /* only waits until running programs have ended, as all settings do first */
};
int p2b_vm_set(struct p2b_vm *vm, uint32_t setting, uint64_t value);

/*
 * Takes what programs printed: lines with their newlines, at most cap bytes. Returns the number of bytes, 0 if there
 * are no more. *lost receives how many lines were dropped since the last call, as the machine keeps 1 MiB at most.
 */
int64_t p2b_vm_trace(struct p2b_vm *vm, char *out, uint64_t cap, uint64_t *lost);

/* How many instructions programs execute between yields to other threads: 65536, or the build's P2B_VM_SLICE. */
uint32_t p2b_vm_slice(void);

/*
 * Makes a program of n_slots encoded slots, whose map loads name maps[number] and whose calls of kernel functions name
 * kfuncs[number]. The program holds the maps. -EINVAL, with the slot and the reason in *fault, for code that could
 * leave the program, and for instructions, helpers and kernel functions that the machine lacks; -E2BIG, as in the
 * kernel, for more than 1000000 slots or 64 maps.
 */
int p2b_vm_prog_create(struct p2b_vm *vm, const void *slots, uint32_t n_slots, uint32_t prog_type,
		       struct p2b_handle *const *maps, uint32_t n_maps, const char *const *kfuncs, uint32_t n_kfuncs,
		       struct p2b_fault *fault, struct p2b_handle *ret);

enum { P2B_VM_PACKET_MAX = 65535, P2B_VM_CTX_MAX = 65536 };

/*
 * A test run by the rules of the kernel's BPF_PROG_TEST_RUN for the program's type: network programs run on a packet,
 * all others on the bytes of a context.
 */
struct p2b_vm_run {
	const void *data;       /* the packet */
	uint32_t data_size;     /* 14 ... P2B_VM_PACKET_MAX for network programs, else 0 */
	uint32_t data_cap;      /* room at data_out: 0, or enough for P2B_VM_PACKET_MAX bytes */
	void *data_out;
	uint32_t data_out_size; /* out */
	uint32_t ctx_size;      /* in; 0: there is no context */
	const void *ctx;        /* struct __sk_buff, struct xdp_md, or the context itself */
	void *ctx_out;          /* NULL, or room for ctx_size bytes: the context afterwards */
	uint32_t repeat;        /* 0 counts as 1 */
	uint32_t retval;        /* out: of the last run */
	uint64_t budget;        /* instructions of one run, about; helpers' work costs one per 8 bytes; 0: 1 << 30 */
	/*
	 * NULL, or a function that is called about every 10 milliseconds, without the machine's lock; a result other
	 * than 0 ends the run. Others may read and change maps meanwhile, but no other program runs.
	 */
	int (*pause)(void);
	uint64_t insns;         /* out: instructions executed in all runs */
	uint64_t duration;      /* out: mean time of a run in nanoseconds */
	struct p2b_fault fault; /* out, for -EFAULT: slot, address or number, reason */
	const void *fault_prog; /* the object of the program at fault: this one, or the target of a tail call */
};

/*
 * Returns 0, -EFAULT after a fault of the program, -EINVAL for input that the kernel refuses, -EINTR if pause() ended
 * the run, -EDEADLK if pause() itself calls this.
 */
int p2b_vm_run(struct p2b_handle *prog, struct p2b_vm_run *run);

/*
 * Runs a network program once for each of n packets: packet i is sizes[i] bytes at data + offsets[i]; retvals (n
 * entries) receives the results, and times gives what all clocks show in each run, in nanoseconds (NULL: the clock is
 * left alone). Packets shorter than 14 bytes are padded with zeros. Stops at the first failure. *done is the number of
 * packets that ran.
 */
int p2b_vm_run_many(struct p2b_handle *prog, const void *data, uint64_t data_size, const uint64_t *offsets,
		    const uint32_t *sizes, const uint64_t *times, uint32_t n, uint32_t *retvals, uint32_t *done,
		    struct p2b_vm_run *run);

/*
 * Takes the machine's lock around fork(2), so that no other thread holds it then: the child could never open it. In the
 * child, p2b_vm_forked opens the lock, and forgets the runs of the parent's other threads, which the child lacks.
 */
void p2b_vm_lock(struct p2b_vm *vm);
void p2b_vm_unlock(struct p2b_vm *vm);
void p2b_vm_forked(struct p2b_vm *vm);
