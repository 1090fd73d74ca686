/* System calls: bpf(2) and perf_event_open(2), which have no wrapper in the C library, and setsockopt(2). */
#include "core.h"

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
