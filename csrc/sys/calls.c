/* System calls: bpf(2) and perf_event_open(2), which have no wrapper in the C library, and setsockopt(2). */
#include "sys/calls.h"

#include <linux/perf_event.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int p2b_bpf(int cmd, void *attr, uint32_t size)
{
	long r = syscall(__NR_bpf, cmd, attr, size);

	return r < 0 ? -errno : (int)r;
}

int p2b_perf_event_open(void *attr, int pid, int cpu, int group_fd, uint64_t flags)
{
	long r = syscall(__NR_perf_event_open, attr, pid, cpu, group_fd, flags | PERF_FLAG_FD_CLOEXEC);

	return r < 0 ? -errno : (int)r;
}

int p2b_set_socket(int fd, int option, int value)
{
	return setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) ? -errno : 0;
}

/* ---- System calls whose results are owned -------------------------------------------------------------------- */

/* Holds the handles, puts their descriptors into the attribute. Returns how many it held; *err is the next's error. */
static uint32_t hold_all(const struct p2b_uses *uses, uint8_t *attr, int *err)
{
	uint32_t n = 0;

	for (*err = 0; n < uses->n; n++) {
		int32_t fd = p2b_hold(uses->handles[n]);

		if (fd < 0) {
			*err = fd;
			break;
		}
		memcpy(attr + uses->at[n], &fd, sizeof(fd));
	}
	return n;
}

int p2b_bpf_call(int cmd, void *attr, uint32_t size, const struct p2b_uses *uses, struct p2b_handle *ret)
{
	int r, err;
	uint32_t held = hold_all(uses, attr, &err);

	r = err ? err : p2b_bpf(cmd, attr, size);
	while (held)
		p2b_release(uses->handles[--held]);
	return ret && r >= 0 ? p2b_handle_adopt(ret, r) : r;
}

int p2b_perf_event_make(void *attr, int pid, int cpu, int group_fd, uint64_t flags, struct p2b_handle *ret)
{
	return p2b_handle_adopt(ret, p2b_perf_event_open(attr, pid, cpu, group_fd, flags));
}
