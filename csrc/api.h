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
	int64_t value;     /* the number that did not fit, or the unknown label or map */
	const char *what;  /* static text */
};

/*
 * Encodes n symbolic instructions into out (8 bytes a slot, room for cap slots) and resolves jumps.
 * slot_of[i] (n entries, may be NULL) receives the slot where instruction i begins. Map loads get the map's
 * number as their imm; p2b_relocate then puts file descriptors in. Returns the number of slots.
 */
int p2b_encode(const struct p2b_sym *syms, uint32_t n, void *out, uint32_t cap, uint32_t *slot_of,
	       struct p2b_fault *fault);

/* Puts fds[number] into every map load of n_slots encoded slots. */
int p2b_relocate(void *slots, uint32_t n_slots, const int *fds, uint32_t n_fds, struct p2b_fault *fault);

/* bpf(2) as it is; attr is a union bpf_attr of size bytes. */
int p2b_bpf(int cmd, void *attr, uint32_t size);
