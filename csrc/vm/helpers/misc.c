/*
 * Helper functions on clocks, random numbers and the current task; and constant results for subjects that the machine
 * knows nothing about.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vm/helpers/helpers.h"

enum { COMM_SIZE = 16, NANOSECONDS_PER_JIFFY = 4000000 };

#define CLOCK(name, clock)                                                                     \
	uint64_t name(struct vm_state *s, const uint64_t *a)                            \
	{                                                                                      \
		(void)a;                                                                       \
		return vm_clock(s->vm, clock);                                                 \
	}
CLOCK(vm_ktime_get_ns, CLOCK_MONOTONIC)
CLOCK(vm_ktime_get_boot_ns, CLOCK_BOOTTIME)
CLOCK(vm_ktime_get_coarse_ns, CLOCK_MONOTONIC_COARSE)
CLOCK(vm_ktime_get_tai_ns, CLOCK_TAI)

uint64_t vm_jiffies64(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	return vm_clock(s->vm, CLOCK_BOOTTIME) / NANOSECONDS_PER_JIFFY;
}

uint64_t vm_get_prandom_u32(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	return vm_random(s->vm);
}

uint64_t vm_get_smp_processor_id(struct vm_state *s, const uint64_t *a)
{
	(void)a;
	return s->vm->cpu;
}

uint64_t vm_get_current_pid_tgid(struct vm_state *s, const uint64_t *a)
{
	(void)s, (void)a;
	return (uint64_t)getpid() << 32 | (uint32_t)syscall(SYS_gettid);
}

uint64_t vm_get_current_uid_gid(struct vm_state *s, const uint64_t *a)
{
	(void)s, (void)a;
	return (uint64_t)getgid() << 32 | getuid();
}

uint64_t vm_get_current_comm(struct vm_state *s, const uint64_t *a)
{
	uint32_t size = (uint32_t)a[1];
	char *to = (char *)vm_argument(s, a[0], size, 1), name[COMM_SIZE + 1] = "";

	if (!to)
		return 0;
	if (!size)
		return (uint64_t)-EINVAL;
	if (prctl(PR_GET_NAME, name) < 0)
		return (uint64_t)-EINVAL;
	memset(to, 0, size);
	memcpy(to, name, strnlen(name, size - 1));
	return 0;
}

/* The process's own pid namespace is the only one there is. */
uint64_t vm_get_ns_current_pid_tgid(struct vm_state *s, const uint64_t *a)
{
	struct numbers { uint32_t pid, tgid; } numbers = { 0 };
	struct stat mine;
	uint8_t *to = vm_argument(s, a[2], (uint32_t)a[3], 1);

	if (!to)
		return 0;
	memset(to, 0, (uint32_t)a[3]);
	if ((uint32_t)a[3] != sizeof(numbers) || stat("/proc/self/ns/pid", &mine) || mine.st_dev != a[0] ||
	    mine.st_ino != a[1])
		return (uint64_t)-EINVAL;
	numbers = (struct numbers){ (uint32_t)syscall(SYS_gettid), (uint32_t)getpid() };
	memcpy(to, &numbers, sizeof(numbers));
	return 0;
}

#define CONSTANT(name, value)                                                                  \
	uint64_t name(struct vm_state *s, const uint64_t *a)                            \
	{                                                                                      \
		(void)s, (void)a;                                                              \
		return (uint64_t)(int64_t)(value);                                             \
	}
CONSTANT(vm_zero, 0)
CONSTANT(vm_one, 1)
CONSTANT(vm_not_there, -ENOENT)
CONSTANT(vm_invalid, -EINVAL)
CONSTANT(vm_not_permitted, -EPERM)
CONSTANT(vm_no_operation, -EOPNOTSUPP)
CONSTANT(vm_no_support, -P2B_ENOTSUPP)
