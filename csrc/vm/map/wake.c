/* Announces the records of an event queue by an eventfd that is readable while there are records. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "vm/map/ops.h"

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

static int forked(const struct vm_wake *wake)
{
	return wake->owner != getpid();
}

void vm_wake_raise(struct vm_wake *wake)
{
	uint64_t one = 1;
	int saved = errno;

	if (wake->raised || wake->fd < 0 || forked(wake))
		return;
	wake->raised = 1;
	/* Fails only when the counter is full, and then the eventfd is readable already. */
	if (write(wake->fd, &one, sizeof(one)) < 0)
		errno = saved;
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
}
