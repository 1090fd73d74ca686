/* Symbolic instructions: how they are encoded and relocated. Also finds types in a BTF blob. */

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
 * kernel functions get the map's or function's number as their imm; p2b_relocate replaces it with the kernel's number.
 * Returns the number of slots.
 */
int p2b_encode(const struct p2b_sym *syms, uint32_t n, void *out, uint32_t cap, uint32_t *slot_of,
	       struct p2b_fault *fault);

/*
 * Puts fds[number] into every map load of n_slots encoded slots, and kfuncs[number], the number of a function in the
 * BTF of vmlinux, into every call of a kernel function.
 */
int p2b_relocate(void *slots, uint32_t n_slots, const int *fds, uint32_t n_fds, const uint32_t *kfuncs,
		 uint32_t n_kfuncs, struct p2b_fault *fault);

/*
 * Returns the number of the first type of this kind and name in a whole BTF blob in the host's byte order, in one pass
 * over its headers. -ENOENT if there is none; -EINVAL if the blob isn't BTF of version 1 or has unknown kinds.
 */
int p2b_btf_find(const void *btf, uint64_t size, uint32_t kind, const char *name);

/*
 * Writes where the types 1, 2, ... of a BTF blob begin, in bytes from its start, and returns their number. -EINVAL as
 * above, and if the last type is incomplete; -ENOSPC if there are more than room types.
 */
int p2b_btf_offsets(const void *btf, uint64_t size, uint32_t *offsets, uint32_t room);
