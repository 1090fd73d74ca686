/* Handles: they own a descriptor or an object, and count the calls that use it; csrc/api/handles.h has the rules. */
#include "common/core.h"

#include <fcntl.h>
#include <unistd.h>

/* A handle's state: two bits, and the number of calls that hold it, which only shrinks once the handle is closed. */
enum { CLOSED = 1, OWNS = 2, HOLD = 4 };

static void dispose(struct p2b_handle *h)
{
	if (h->object)
		h->destroy(h->object);
	else
		close(h->fd);
}

static int is_idle(uint64_t state)
{
	return (state & OWNS) && state < HOLD;
}

int p2b_hold(struct p2b_handle *h)
{
	uint64_t state = __atomic_load_n(&h->state, __ATOMIC_ACQUIRE);

	do {
		if (state & CLOSED)
			return -ESHUTDOWN;
		if (!(state & OWNS))
			return -EBADF;
	} while (!__atomic_compare_exchange_n(&h->state, &state, state + HOLD, 1, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
	return h->fd;
}

void p2b_release(struct p2b_handle *h)
{
	uint64_t state = __atomic_sub_fetch(&h->state, HOLD, __ATOMIC_ACQ_REL);

	if ((state & CLOSED) && is_idle(state))
		dispose(h);
}

void p2b_handle_close(struct p2b_handle *h)
{
	int saved = errno;
	uint64_t before = __atomic_fetch_or(&h->state, CLOSED, __ATOMIC_ACQ_REL);

	if (!(before & CLOSED) && is_idle(before))
		dispose(h);
	errno = saved;
}

int p2b_handle_fd(const struct p2b_handle *h)
{
	uint64_t state = __atomic_load_n(&h->state, __ATOMIC_ACQUIRE);

	if (state & CLOSED)
		return -ESHUTDOWN;
	if (!(state & OWNS))
		return -EBADF;
	return h->fd;
}

/* Marks the handle as the owner of what was put into it; 0, -ESHUTDOWN if it is closed, -EBUSY if it owns something. */
static int own(struct p2b_handle *h)
{
	uint64_t nothing = 0;

	if (__atomic_compare_exchange_n(&h->state, &nothing, OWNS, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return 0;
	return nothing & CLOSED ? -ESHUTDOWN : -EBUSY;
}

int p2b_own_object(struct p2b_handle *ret, void *object, void (*destroy)(void *object), int fd)
{
	int err = p2b_handle_fd(ret);

	if (err == -EBADF) {
		ret->object = object;
		ret->destroy = destroy;
		ret->fd = fd;
		err = own(ret);
	} else if (err >= 0) {
		err = -EBUSY;
	}
	if (err)
		destroy(object);
	return err;
}

int p2b_handle_adopt(struct p2b_handle *ret, int fd)
{
	int err = p2b_handle_fd(ret);

	if (fd < 0)
		return fd;
	if (err == -EBADF) {
		ret->fd = fd;
		err = own(ret);
	} else if (err >= 0) {
		err = -EBUSY;
	}
	if (err)
		close(fd);
	return err;
}

int p2b_handle_borrow(int fd, struct p2b_handle *ret)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return p2b_handle_adopt(ret, copy == -1 ? -errno : copy);
}

int p2b_handle_copy(struct p2b_handle *h, struct p2b_handle *ret)
{
	int fd = p2b_hold(h), copy;

	if (fd < 0)
		return fd;
	copy = h->object ? -EINVAL : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	copy = copy == -1 ? -errno : copy;
	p2b_release(h);
	return p2b_handle_adopt(ret, copy);
}
