/* Handles: who owns a descriptor or an object of the core; and system calls whose results are owned. */

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
