/*
 * The writer of a user ring buffer (kernel/bpf/ringbuf.c): a page with the consumer's position, which the kernel moves;
 * then a page with the producer's position, which we move; then the data, mapped twice in a row so that every record is
 * in one piece. The caller sees to it that only one thread writes at a time.
 */
#include "sys/user_ring.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct p2b_user_ring {
	int map_fd, cancel_fd;
	int cancelled;
	pid_t owner;            /* a forked child shares the mapping, and must not write between the parent's records */
	size_t page_size;
	uint64_t size;
	const uint64_t *consumer;
	uint64_t *producer;     /* ours to write */
	uint8_t *data;
};

static int forked(const struct p2b_user_ring *r)
{
	return r->owner != getpid();
}

static size_t producer_size(const struct p2b_user_ring *r)
{
	return r->page_size + 2 * (size_t)r->size;
}

static int open_all(struct p2b_user_ring *r, int map_fd)
{
	void *mem;

	/* A descriptor of our own, since the caller may close the map while others wait. */
	r->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
	if (r->map_fd >= 0)
		r->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->cancel_fd < 0)
		return -errno;
	mem = mmap(NULL, r->page_size, PROT_READ, MAP_SHARED, r->map_fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	r->consumer = mem;
	mem = mmap(NULL, producer_size(r), PROT_READ | PROT_WRITE, MAP_SHARED, r->map_fd, (off_t)r->page_size);
	if (mem == MAP_FAILED)
		return -errno;
	r->producer = mem;
	r->data = (uint8_t *)mem + r->page_size;
	return 0;
}

int p2b_user_ring_create(int map_fd, uint64_t size, struct p2b_user_ring **ret)
{
	struct p2b_user_ring *r;
	int err;

	*ret = NULL;
	if (!size || size & (size - 1) || size > UINT32_MAX)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->owner = getpid();
	r->page_size = (size_t)sysconf(_SC_PAGESIZE);
	r->size = size;
	r->map_fd = r->cancel_fd = -1;
	err = open_all(r, map_fd);
	if (err)
		p2b_user_ring_destroy(r);
	else
		*ret = r;
	return err;
}

void p2b_user_ring_destroy(struct p2b_user_ring *r)
{
	if (!r)
		return;
	if (r->producer)
		munmap(r->producer, producer_size(r));
	if (r->consumer)
		munmap((void *)(uintptr_t)r->consumer, r->page_size);
	if (r->cancel_fd >= 0)
		close(r->cancel_fd);
	if (r->map_fd >= 0)
		close(r->map_fd);
	free(r);
}

static uint64_t length(uint64_t size)
{
	return BPF_RINGBUF_HDR_SZ + ((size + 7) & ~7ull);
}

int p2b_user_ring_send(struct p2b_user_ring *r, const void *data, uint32_t size)
{
	uint64_t begin, used;
	uint32_t *header;

	if (forked(r))
		return -ECHILD;
	if (!size || size > INT32_MAX / 2 || length(size) > r->size)
		return -E2BIG;
	begin = __atomic_load_n(r->producer, __ATOMIC_RELAXED);
	/* Pairs with the kernel's release: the kernel has read the room that it gives back. */
	used = begin - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	if (used > r->size)
		return -EIO;
	if (length(size) > r->size - used)
		return -ENOSPC;
	header = (uint32_t *)(void *)(r->data + (begin & (r->size - 1)));
	header[0] = size;
	header[1] = 0;
	memcpy(header + 2, data, size);
	__atomic_store_n(r->producer, begin + length(size), __ATOMIC_RELEASE);
	return 0;
}

int64_t p2b_user_ring_peek(struct p2b_user_ring *r, uint64_t *position, void *out, uint64_t cap, int take)
{
	uint64_t begin = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	uint64_t end = __atomic_load_n(r->producer, __ATOMIC_RELAXED);

	if (forked(r))
		return -ECHILD;
	if (*position - begin > r->size)        /* the kernel has read beyond it */
		*position = begin;
	while (*position != end) {
		uint32_t *header = (uint32_t *)(void *)(r->data + (*position & (r->size - 1)));
		uint32_t word = __atomic_load_n(header, __ATOMIC_RELAXED), size = word & ~BPF_RINGBUF_DISCARD_BIT;

		if (size > cap)
			return -ENOSPC;
		*position += length(size);
		if (word & BPF_RINGBUF_DISCARD_BIT)
			continue;
		memcpy(out, header + 2, size);
		if (take)
			__atomic_store_n(header, size | BPF_RINGBUF_DISCARD_BIT, __ATOMIC_RELEASE);
		return size;
	}
	return 0;
}

uint64_t p2b_user_ring_waiting(const struct p2b_user_ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_RELAXED) - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
}

int p2b_user_ring_wait(struct p2b_user_ring *r, uint32_t size, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = r->map_fd, .events = POLLOUT }, { .fd = r->cancel_fd, .events = POLLIN } };
	int n = 0, err = 0;

	if (forked(r))
		return -ECHILD;
	if (!__atomic_load_n(&r->cancelled, __ATOMIC_ACQUIRE)) {
		/* The kernel calls a ring writable if there is any room at all. */
		if (r->size - p2b_user_ring_waiting(r) >= length(size))
			return 1;
		if (p2b_user_ring_waiting(r) < r->size)
			fds[0].fd = -1;
		n = poll(fds, 2, fds[0].fd < 0 && (timeout_ms < 0 || timeout_ms > 1) ? 1 : timeout_ms);
		err = n < 0 ? -errno : 0;
	}
	if (__atomic_load_n(&r->cancelled, __ATOMIC_ACQUIRE))
		return -ECANCELED;
	return err ? err : n > 0;
}

void p2b_user_ring_cancel(struct p2b_user_ring *r)
{
	uint64_t one = 1;
	int saved = errno;

	if (forked(r))
		return;
	__atomic_store_n(&r->cancelled, 1, __ATOMIC_RELEASE);
	/* Fails only when the counter is full, and then the waiters are awake already. */
	if (write(r->cancel_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

/* ---- By handles: each call holds the writer that it uses ----------------------------------------------------- */

static void destroy(void *ring)
{
	p2b_user_ring_destroy(ring);
}

int p2b_uring_make(struct p2b_handle *map, uint64_t size, struct p2b_handle *ret)
{
	struct p2b_user_ring *ring = NULL;
	int fd = p2b_hold(map), err;

	if (fd < 0)
		return fd;
	err = p2b_user_ring_create(fd, size, &ring);
	p2b_release(map);
	return err ? err : p2b_own_object(ret, ring, destroy, 0);
}

int p2b_uring_send(struct p2b_handle *ring, const void *data, uint32_t size)
{
	int r = p2b_hold(ring);

	if (r < 0)
		return r;
	r = p2b_user_ring_send(ring->object, data, size);
	p2b_release(ring);
	return r;
}

int64_t p2b_uring_peek(struct p2b_handle *ring, uint64_t *position, void *out, uint64_t cap, int take)
{
	int64_t r = p2b_hold(ring);

	if (r < 0)
		return r;
	r = p2b_user_ring_peek(ring->object, position, out, cap, take);
	p2b_release(ring);
	return r;
}

int64_t p2b_uring_waiting(struct p2b_handle *ring)
{
	int64_t r = p2b_hold(ring);

	if (r < 0)
		return r;
	r = (int64_t)p2b_user_ring_waiting(ring->object);
	p2b_release(ring);
	return r;
}

int p2b_uring_wait(struct p2b_handle *ring, uint32_t size, int timeout_ms)
{
	int r = p2b_hold(ring);

	if (r < 0)
		return r;
	r = p2b_user_ring_wait(ring->object, size, timeout_ms);
	p2b_release(ring);
	return r;
}

void p2b_uring_cancel(struct p2b_handle *ring)
{
	if (p2b_hold(ring) < 0)
		return;
	p2b_user_ring_cancel(ring->object);
	p2b_release(ring);
}
