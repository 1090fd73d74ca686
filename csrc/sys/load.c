/* BPF_PROG_LOAD, with a verifier log for programs that the kernel refuses. */
#include "sys/calls.h"

#include <linux/bpf.h>
#include <signal.h>
#include <stddef.h>

/* The kernel's attribute for BPF_PROG_LOAD; the installed header may be older than log_true_size (6.4). */
struct load_attr {
	uint32_t prog_type, insn_cnt;
	uint64_t insns, license;
	uint32_t log_level, log_size;
	uint64_t log_buf;
	uint32_t kern_version, prog_flags;
	char prog_name[16];
	uint32_t prog_ifindex, expected_attach_type;
	uint32_t prog_btf_fd, func_info_rec_size;
	uint64_t func_info;
	uint32_t func_info_cnt, line_info_rec_size;
	uint64_t line_info;
	uint32_t line_info_cnt, attach_btf_id, attach_btf_obj_fd, core_relo_cnt; /* or attach_prog_fd in place of attach_btf_obj_fd */
	uint64_t fd_array, core_relos;
	uint32_t core_relo_rec_size, log_true_size;
};

enum {
	LOG_STATS = 4 << 20,     /* may hold a line for each call of a function; untouched pages cost nothing */
	LOG_FIRST = 64 << 10,
	LOG_MAX = 256 << 20,
	LOG_WHOLE = 8 << 20,    /* the end of a longer log suffices, rather than verifying a third time */
	LEVEL_INSNS = 1,        /* BPF_LOG_LEVEL1: every instruction on the path, and the complaint */
	LEVEL_STATS = 4,        /* BPF_LOG_STATS: the complaint, and statistics */
	TRIES = 10,             /* after EAGAIN, which the verifier returns if it is interrupted */
	SIZE_PLAIN = offsetof(struct load_attr, expected_attach_type) + sizeof(uint32_t),
	SIZE_BTF = offsetof(struct load_attr, line_info_cnt) + sizeof(uint32_t),
	SIZE_ATTACH = offsetof(struct load_attr, attach_btf_obj_fd) + sizeof(uint32_t),
};

void p2b_log_free(struct p2b_log *log)
{
	free(log->text);
	*log = (struct p2b_log){ 0 };
}

/* The verifier gives up if a signal is pending, so that with a profiler's timer no long program would ever load. */
static int try_load(struct load_attr *attr, uint32_t size)
{
	sigset_t all, before;
	int r = -EAGAIN;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = p2b_bpf(BPF_PROG_LOAD, attr, size);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static uint32_t larger(uint32_t size, uint32_t true_size)
{
	if (true_size > size)
		return true_size < LOG_MAX ? true_size : LOG_MAX;
	return size < LOG_MAX / 4 ? size * 4 : LOG_MAX;
}

/* Loads with a log of size bytes. -ENOSPC if the log is longer; *log has its beginning or end then. */
static int try_logged(struct load_attr *attr, uint32_t attr_size, struct p2b_log *log, uint32_t size)
{
	char *text = realloc(log->text, size);
	int r;

	if (!text)
		return -ENOMEM;
	text[0] = 0;
	log->text = text;
	attr->log_size = size;
	attr->log_buf = p2b_ptr(text);
	attr->log_true_size = 0;
	r = try_load(attr, attr_size);
	text[size - 1] = 0;
	log->length = (uint32_t)strlen(text);
	return r;
}

/*
 * Loads with a log of statistics only, which costs the verifier nothing. If the verifier stops after a million
 * instructions, which takes seconds, the statistics suffice.
 */
static int load_first(struct load_attr *attr, uint32_t attr_size, struct p2b_log *log)
{
	int r;

	attr->log_level = LEVEL_STATS;
	r = try_logged(attr, attr_size, log, LOG_STATS);
	if (r == -ENOSPC || r == -ENOMEM) {
		attr->log_level = attr->log_size = 0;
		attr->log_buf = 0;
		p2b_log_free(log);
		r = try_load(attr, attr_size);
	}
	return r;
}

/* Loads again to get a log of all instructions. refusal is the first load's error. */
static int load_for_log(struct load_attr *attr, struct p2b_log *log, int refusal)
{
	uint32_t size = LOG_FIRST;

	if (refusal == -E2BIG && log->length)
		return refusal;
	attr->log_level = refusal == -E2BIG ? LEVEL_STATS : LEVEL_INSNS;
	for (;;) {
		int r = try_logged(attr, sizeof(*attr), log, size);

		if (r != -ENOSPC && r != -ENOMEM)
			return r;
		if (r == -ENOMEM && refusal == -ENOMEM)
			return r;
		if (r == -ENOMEM || size >= LOG_MAX || attr->log_true_size > LOG_WHOLE) {
			log->truncated = 1;
			return refusal;
		}
		size = larger(size, attr->log_true_size);
	}
}

static void describe(struct load_attr *attr, const struct p2b_load *load, int btf_fd)
{
	attr->prog_btf_fd = (uint32_t)btf_fd;
	attr->func_info_rec_size = sizeof(struct bpf_func_info);
	attr->func_info = p2b_ptr(load->func_info);
	attr->func_info_cnt = load->n_func_info;
	if (!load->n_line_info)
		return;
	attr->line_info_rec_size = sizeof(struct bpf_line_info);
	attr->line_info = p2b_ptr(load->line_info);
	attr->line_info_cnt = load->n_line_info;
}

/* The smallest size that includes all fields in use: older kernels refuse fields that they don't know. */
static uint32_t attr_size(const struct load_attr *attr)
{
	if (attr->attach_btf_id)
		return SIZE_ATTACH;
	return attr->func_info_cnt ? SIZE_BTF : SIZE_PLAIN;
}

/* Returns a descriptor or -errno. btf_fd is below 0 if there is no BTF; attach_fd is 0 if vmlinux has the types. */
static int load_slots(const struct p2b_load *load, const void *slots, int btf_fd, int attach_fd, struct p2b_log *log)
{
	struct load_attr attr = {
		.prog_type = load->prog_type,
		.insn_cnt = load->n_slots,
		.insns = p2b_ptr(slots),
		.license = p2b_ptr(load->license),
		.prog_flags = load->prog_flags,
		.expected_attach_type = load->expected_attach_type,
		.attach_btf_id = load->attach_btf_id,
		.attach_btf_obj_fd = (uint32_t)attach_fd,
	};
	int r;

	if (load->name)
		strncpy(attr.prog_name, load->name, sizeof(attr.prog_name) - 1);
	if (btf_fd >= 0)
		describe(&attr, load, btf_fd);
	r = load_first(&attr, attr_size(&attr), log);
	if (r < 0)
		return load_for_log(&attr, log, r);
	p2b_log_free(log);
	return r;
}

/* Holds the maps and puts their descriptors into fds. Returns how many it held; *err is the next one's error. */
static uint32_t hold_maps(const struct p2b_load *load, int *fds, int *err)
{
	uint32_t n = 0;

	for (*err = 0; n < load->n_maps; n++) {
		fds[n] = p2b_hold(load->maps[n]);
		if (fds[n] < 0) {
			*err = fds[n];
			break;
		}
	}
	return n;
}

/* Holds the other descriptors while it loads. */
static int load_beside(const struct p2b_load *load, const void *slots, struct p2b_log *log)
{
	int btf_fd = load->n_func_info ? p2b_hold(load->btf) : -1, attach_fd = 0, r;

	if (load->n_func_info && btf_fd < 0)
		return btf_fd;
	if (load->attach_btf)
		attach_fd = p2b_hold(load->attach_btf);
	r = attach_fd < 0 ? attach_fd : load_slots(load, slots, btf_fd, attach_fd, log);
	if (load->attach_btf && attach_fd >= 0)
		p2b_release(load->attach_btf);
	if (btf_fd >= 0)
		p2b_release(load->btf);
	return r;
}

static int relocate_and_load(const struct p2b_load *load, const int *fds, void *slots, struct p2b_log *log,
			     struct p2b_fault *fault)
{
	int err = p2b_relocate(slots, load->n_slots, fds, load->n_maps, load->kfuncs, load->n_kfuncs, fault);

	return err ? err : load_beside(load, slots, log);
}

int p2b_prog_make(const struct p2b_load *load, struct p2b_log *log, struct p2b_fault *fault, struct p2b_handle *ret)
{
	size_t size = (size_t)load->n_slots * sizeof(struct slot);
	int *fds = calloc(load->n_maps + 1, sizeof(*fds)), r = -ENOMEM;
	void *slots = malloc(size + 1);
	uint32_t held = 0;

	*log = (struct p2b_log){ 0 };
	*fault = (struct p2b_fault){ 0 };
	if (fds && slots) {
		memcpy(slots, load->slots, size);
		held = hold_maps(load, fds, &r);
		if (!r)
			r = relocate_and_load(load, fds, slots, log, fault);
	}
	while (held)
		p2b_release(load->maps[--held]);
	free(fds);
	free(slots);
	return p2b_handle_adopt(ret, r);
}
