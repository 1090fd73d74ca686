/* Loading programs, with the verifier's log. */

/* The input of BPF_PROG_LOAD. Pointers are borrowed for the call. */
struct p2b_load {
	uint32_t prog_type;
	uint32_t expected_attach_type;
	const void *slots;      /* encoded, not relocated */
	uint32_t n_slots;
	struct p2b_handle *const *maps; /* the maps and kernel functions that the slots name by number */
	uint32_t n_maps;
	const uint32_t *kfuncs;
	uint32_t n_kfuncs;
	uint32_t prog_flags;
	const char *license;
	const char *name;       /* at most 15 of [A-Za-z0-9_.], or "" */
	struct p2b_handle *btf; /* the records below refer to its types; used if n_func_info isn't 0 */
	uint32_t n_func_info;
	const void *func_info;  /* struct bpf_func_info[] */
	const void *line_info;  /* struct bpf_line_info[] */
	uint32_t n_line_info;
	uint32_t attach_btf_id; /* the type of the program's kernel function, iterator or hook; or 0 */
	struct p2b_handle *attach_btf; /* where attach_btf_id counts: a module's BTF or a program; NULL: vmlinux */
};

/* A verifier log. It owns text, which is NUL-terminated, or NULL if the kernel wrote none. */
struct p2b_log {
	char *text;
	uint32_t length;        /* without the NUL */
	uint32_t truncated;     /* 1: the log is too long; text is its beginning, on kernels since 6.4 its end */
};

/*
 * Loads a program. If the kernel refuses it, loads it once more with a log that grows until it fits. The log names the
 * instructions, unless the program exceeds the verifier's limit of work (E2BIG): then it has only the complaint. Of a
 * log of more than 8 MiB, kernels since 6.4 give the end. Signals are blocked meanwhile, since the verifier gives up at
 * a pending one.
 *
 * Returns 0, and ret owns the program; -errno of the refusal, with *log filled; or -errno with fault->what set if the
 * slots name maps or functions that don't exist. Call p2b_log_free(log) afterwards in any case.
 */
int p2b_prog_make(const struct p2b_load *load, struct p2b_log *log, struct p2b_fault *fault, struct p2b_handle *ret);
void p2b_log_free(struct p2b_log *log);
