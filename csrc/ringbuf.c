/*
 * A reader of a BPF ring buffer, as kernel/bpf/ringbuf.c and Documentation/bpf/ringbuf.rst tell: two pages with
 * positions that count bytes for ever, then the data, mapped twice in a row so that every record is in one piece. We move
 * the consumer's position, the kernel the producers'; a record's header tells when it is ready.
 */
#include "core.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 4, BUSY_NS = 100000 };

/* So much is read before programs get the room back: late enough to be cheap, early enough to be of use to them. */
static const uint64_t STEP = 1 << 16;

struct p2b_ringbuf {
	int map_fd, epoll_fd, cancel_fd;
	int cancelled;
	pid_t owner;            /* a forked child has the same mapping, and must not take the parent's records */
	size_t page_size;
	uint64_t size;
	uint64_t *consumer;     /* ours to write */
	const uint64_t *producer;
	const uint8_t *data;
	struct p2b_ring_stats stats;
};

static int forked(const struct p2b_ringbuf *b)
{
	return b->owner != getpid();
}

static size_t producer_size(const struct p2b_ringbuf *b)
{
	return b->page_size + 2 * (size_t)b->size;
}

static int map_pages(struct p2b_ringbuf *b)
{
	void *mem = mmap(NULL, b->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, b->map_fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	b->consumer = mem;
	mem = mmap(NULL, producer_size(b), PROT_READ, MAP_SHARED, b->map_fd, (off_t)b->page_size);
	if (mem == MAP_FAILED)
		return -errno;
	b->producer = mem;
	b->data = (const uint8_t *)mem + b->page_size;
	return 0;
}

static int watch(const struct p2b_ringbuf *b, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static int open_all(struct p2b_ringbuf *b, int map_fd)
{
	int err;

	/* Our own descriptor: the caller may close the map while others wait. */
	b->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
	if (b->map_fd >= 0)
		b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll_fd >= 0)
		b->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->map_fd < 0 || b->epoll_fd < 0 || b->cancel_fd < 0)
		return -errno;
	err = map_pages(b);
	if (!err)
		err = watch(b, b->map_fd);
	return err ? err : watch(b, b->cancel_fd);
}

int p2b_ringbuf_create(int map_fd, uint64_t size, struct p2b_ringbuf **ret)
{
	struct p2b_ringbuf *b;
	int err;

	*ret = NULL;
	if (!size || size & (size - 1) || size > UINT32_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->owner = getpid();
	b->page_size = (size_t)sysconf(_SC_PAGESIZE);
	b->size = size;
	b->map_fd = b->epoll_fd = b->cancel_fd = -1;
	err = open_all(b, map_fd);
	if (err)
		p2b_ringbuf_destroy(b);
	else
		*ret = b;
	return err;
}

void p2b_ringbuf_destroy(struct p2b_ringbuf *b)
{
	if (!b)
		return;
	if (b->producer)
		munmap((void *)b->producer, producer_size(b));
	if (b->consumer)
		munmap(b->consumer, b->page_size);
	if (b->cancel_fd >= 0)
		close(b->cancel_fd);
	if (b->epoll_fd >= 0)
		close(b->epoll_fd);
	if (b->map_fd >= 0)
		close(b->map_fd);
	free(b);
}

/* ---- Records ------------------------------------------------------------------------------------------------- */

static uint64_t round_up(uint64_t n)
{
	return (n + 7) & ~7ull;
}

/* A frame is as long as its record in the ring, header included. */
static void put_frame(uint8_t *out, const uint8_t *data, uint32_t n)
{
	const struct p2b_frame frame = { .size = n };

	memcpy(out, &frame, sizeof(frame));
	memcpy(out + sizeof(frame), data, n);
	memset(out + sizeof(frame) + n, 0, round_up(n) - n);
}

int64_t p2b_ringbuf_walk(const void *data, uint64_t size, uint64_t *position, uint64_t end, void *out, uint64_t cap,
			 uint64_t max_records, struct p2b_ring_stats *stats)
{
	uint64_t used = 0;

	while (*position != end && max_records) {
		const uint8_t *record = (const uint8_t *)data + (*position & (size - 1));
		uint64_t there = end - *position, length;
		uint32_t header = BPF_RINGBUF_BUSY_BIT, n;

		if (there <= size && !(*position & 7) && there >= BPF_RINGBUF_HDR_SZ) {
			/* Pairs with the xchg that takes the busy bit away: the record is whole then. */
			header = __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
			if (header & BPF_RINGBUF_BUSY_BIT)
				break;
		}
		n = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		length = BPF_RINGBUF_HDR_SZ + round_up(n);
		if (header & BPF_RINGBUF_BUSY_BIT || length > there) {
			/* Where the next record begins can't be known: give up what is there. */
			stats->corrupt++;
			*position = end;
			break;
		}
		if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
			if (length > cap - used)
				return used ? (int64_t)used : -ENOSPC;
			put_frame((uint8_t *)out + used, record + BPF_RINGBUF_HDR_SZ, n);
			used += length;
			stats->records++;
			max_records--;
		}
		*position += length;
	}
	return (int64_t)used;
}

int64_t p2b_ringbuf_drain(struct p2b_ringbuf *b, void *out, uint64_t cap, uint64_t max_records)
{
	uint64_t position, end, used = 0;

	if (forked(b))
		return -ECHILD;
	if (cap > INT64_MAX)
		return -EINVAL;
	position = __atomic_load_n(b->consumer, __ATOMIC_RELAXED);
	/* What comes after this moment waits for the next call, which bounds this one. */
	end = __atomic_load_n(b->producer, __ATOMIC_ACQUIRE);
	while (position != end && max_records) {
		uint64_t before = position, known = b->stats.records;
		uint64_t room = cap - used < STEP ? cap - used : STEP;
		int64_t n = p2b_ringbuf_walk(b->data, b->size, &position, end, (uint8_t *)out + used, room,
					     max_records, &b->stats);

		if (n == -ENOSPC && room < cap - used)  /* larger than a step */
			n = p2b_ringbuf_walk(b->data, b->size, &position, end, (uint8_t *)out + used, cap - used, 1,
					     &b->stats);
		if (position != before)
			__atomic_store_n(b->consumer, position, __ATOMIC_RELEASE);
		if (n < 0 && !used && position == before)
			return n;
		if (n > 0)
			used += (uint64_t)n;
		max_records -= b->stats.records - known;
		if (position == before)
			break;
	}
	return (int64_t)used;
}

/* ---- Waiting ------------------------------------------------------------------------------------------------- */

/* Whether the next record is still being written: the kernel calls the ring readable all the same. */
static int is_busy(const struct p2b_ringbuf *b)
{
	uint64_t position = __atomic_load_n(b->consumer, __ATOMIC_RELAXED);
	const uint8_t *record = b->data + (position & (b->size - 1));

	if (position == __atomic_load_n(b->producer, __ATOMIC_ACQUIRE))
		return 0;
	return !!(__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE) & BPF_RINGBUF_BUSY_BIT);
}

static void pause_a_little(const struct p2b_ringbuf *b)
{
	struct pollfd cancel = { .fd = b->cancel_fd, .events = POLLIN };
	struct timespec time = { .tv_nsec = BUSY_NS };

	/* Interrupted or not: the caller looks again. */
	if (ppoll(&cancel, 1, &time, NULL) < 0)
		return;
}

int p2b_ringbuf_wait(struct p2b_ringbuf *b, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = 0, err = 0;

	if (forked(b))
		return -ECHILD;
	if (!__atomic_load_n(&b->cancelled, __ATOMIC_ACQUIRE)) {
		n = epoll_wait(b->epoll_fd, events, EVENTS, timeout_ms);
		err = n < 0 ? -errno : 0;
		if (n > 0 && is_busy(b))
			pause_a_little(b);
	}
	if (__atomic_load_n(&b->cancelled, __ATOMIC_ACQUIRE))
		return -ECANCELED;
	return err ? err : n > 0;
}

void p2b_ringbuf_cancel(struct p2b_ringbuf *b)
{
	uint64_t one = 1;
	int saved = errno;

	if (forked(b))
		return;
	__atomic_store_n(&b->cancelled, 1, __ATOMIC_RELEASE);
	/* Fails only when the counter is full, and then the waiters are awake already. */
	if (write(b->cancel_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

int p2b_ringbuf_fd(const struct p2b_ringbuf *b)
{
	return forked(b) ? -ECHILD : b->epoll_fd;
}

int p2b_ringbuf_stats(const struct p2b_ringbuf *b, struct p2b_ring_stats *ret)
{
	*ret = (struct p2b_ring_stats){ 0 };
	if (forked(b))
		return -ECHILD;
	*ret = b->stats;
	return 0;
}
