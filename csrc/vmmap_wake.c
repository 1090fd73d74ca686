/* Waiting for the records of an event queue, and reading them: an eventfd that is readable while there are some. */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmmap.h"

int vm_wake_open(struct vm_wake *wake)
{
	wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	wake->owner = getpid();
	return wake->fd < 0 ? -errno : 0;
}

void vm_wake_close(struct vm_wake *wake)
{
	if (wake->fd >= 0)
		close(wake->fd);
	wake->fd = -1;
}

int vm_wake_forked(const struct vm_wake *wake)
{
	return wake->owner != getpid();
}

static void add(const struct vm_wake *wake)
{
	uint64_t one = 1;
	int saved = errno;

	/* Fails only when the counter is full, and then it is readable already. */
	if (write(wake->fd, &one, sizeof(one)) < 0)
		errno = saved;
}

void vm_wake_raise(struct vm_wake *wake)
{
	if (wake->raised || wake->fd < 0 || vm_wake_forked(wake))
		return;
	wake->raised = 1;
	add(wake);
}

void vm_wake_lower(struct vm_wake *wake)
{
	uint64_t count;
	int saved = errno;

	if (!wake->raised)
		return;
	wake->raised = 0;
	if (read(wake->fd, &count, sizeof(count)) < 0)
		errno = saved;
	if (__atomic_load_n(&wake->cancelled, __ATOMIC_ACQUIRE))
		add(wake);
}

/* ---- User space ----------------------------------------------------------------------------------------------- */

/* The queue's wake-up, or NULL with *err set: no queue, not opened, another process's. */
static struct vm_wake *wake_of(const struct vm_map *map, int *err)
{
	struct vm_wake *wake = &map->private->wake;

	*err = 0;
	if (!map->private->ops->drain)
		*err = -EINVAL;
	else if (wake->fd < 0)
		*err = -EBADF;
	else if (vm_wake_forked(wake))
		*err = -ECHILD;
	return *err ? NULL : wake;
}

int64_t p2b_vm_queue_drain(struct vm_map *map, void *out, uint64_t cap, uint64_t max_records)
{
	int64_t n;
	int err;

	if (!wake_of(map, &err))
		return err;
	if (cap > INT64_MAX)
		return -EINVAL;
	vm_lock(map->vm);
	n = map->private->ops->drain(map, out, cap, max_records);
	vm_unlock(map->vm);
	return n;
}

int p2b_vm_queue_wait(struct vm_map *map, int timeout_ms)
{
	struct vm_wake *wake;
	struct pollfd fd = { .events = POLLIN };
	int n = 0, err;

	wake = wake_of(map, &err);
	if (!wake)
		return err;
	fd.fd = wake->fd;
	if (!__atomic_load_n(&wake->cancelled, __ATOMIC_ACQUIRE)) {
		n = poll(&fd, 1, timeout_ms);
		err = n < 0 ? -errno : 0;
	}
	if (__atomic_load_n(&wake->cancelled, __ATOMIC_ACQUIRE))
		return -ECANCELED;
	return err ? err : n > 0;
}

/* Takes no lock: the thread that holds it may be the one whose signal handler this is. */
void p2b_vm_queue_cancel(struct vm_map *map)
{
	int err;
	struct vm_wake *wake = wake_of(map, &err);

	if (!wake)
		return;
	__atomic_store_n(&wake->cancelled, 1, __ATOMIC_RELEASE);
	add(wake);
}

int p2b_vm_queue_fd(const struct vm_map *map)
{
	int err;
	struct vm_wake *wake = wake_of(map, &err);

	return wake ? wake->fd : err;
}

int p2b_vm_queue_stats(struct vm_map *map, struct p2b_ring_stats *ret)
{
	int err;

	*ret = (struct p2b_ring_stats){ 0 };
	if (!wake_of(map, &err))
		return err;
	vm_lock(map->vm);
	*ret = map->private->stats;
	vm_unlock(map->vm);
	return 0;
}
