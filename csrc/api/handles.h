/* Handles, which own descriptors and objects of the core; and system calls whose results handles own. */

/*
 * Owns a descriptor or an object of the core. The caller provides the memory, all zeros at first. A function that
 * creates something puts it into the handle before it returns, so that the result is never without an owner.
 *
 * Every call holds the handles that it uses. If any thread closes a handle meanwhile, its content is released when the
 * last of these calls ends. Calls on a closed handle return -ESHUTDOWN, calls on an empty one -EBADF.
 */
struct p2b_handle {
	uint64_t state;         /* whether it is closed, whether it owns something, and how many calls hold it */
	void *object;           /* NULL if the handle owns a descriptor */
	void (*destroy)(void *object);
	int fd;                 /* the descriptor; of an object: 0, or a descriptor that others may watch */
};

/* May be called more than once, from any thread and from signal handlers. */
void p2b_handle_close(struct p2b_handle *handle);

/* The descriptor, 0 for an object without one, or an error as above. Doesn't hold it: another thread may close it. */
int p2b_handle_fd(const struct p2b_handle *handle);

/* Gives ret a duplicate, close-on-exec, of the handle's descriptor, or of a descriptor that somebody else owns. */
int p2b_handle_copy(struct p2b_handle *handle, struct p2b_handle *ret);
int p2b_handle_borrow(int fd, struct p2b_handle *ret);

/* Descriptors to pass to bpf(2): handles[i] at byte at[i] of the attribute. */
struct p2b_uses {
	uint32_t n;
	struct p2b_handle *handles[4];
	uint32_t at[4];
};

/*
 * bpf(2); attr is a union bpf_attr of size bytes. Returns the call's non-negative result or -errno. If ret isn't NULL,
 * the result is a descriptor: ret owns it, and the function returns 0. Never retries, since it depends on the command
 * whether EINTR and EAGAIN mean "again".
 */
int p2b_bpf_call(int cmd, void *attr, uint32_t size, const struct p2b_uses *uses, struct p2b_handle *ret);

/* setsockopt(2) with a number at the level of sockets (SO_ATTACH_BPF ...). */
int p2b_set_socket(int fd, int option, int value);

/* perf_event_open(2), always close-on-exec; attr is a struct perf_event_attr. */
int p2b_perf_event_make(void *attr, int pid, int cpu, int group_fd, uint64_t flags, struct p2b_handle *ret);
