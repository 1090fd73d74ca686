/* Loading programs, with the verifier's log. */

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
