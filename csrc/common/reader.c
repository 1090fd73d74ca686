/* Waits for records and ends waits, for every kind of reader. epoll(7), eventfd(2), timerfd_create(2). */
#include "common/reader.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 4, BUSY_NS = 100000 };

int p2b_reader_watch(const struct p2b_reader *r, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

int p2b_reader_init(struct p2b_reader *r, const struct p2b_reader_ops *ops)
{
	r->ops = ops;
	r->refs = 1;
	r->owner = getpid();
	r->cancel_fd = r->tick_fd = -1;
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd >= 0)
		r->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return r->cancel_fd < 0 ? -errno : p2b_reader_watch(r, r->cancel_fd);
}

void p2b_reader_shut(struct p2b_reader *r)
{
	const int fds[] = { r->tick_fd, r->cancel_fd, r->epoll_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int p2b_reader_forked(const struct p2b_reader *r)
{
	return r->owner != getpid();
}

void p2b_reader_hold(struct p2b_reader *r)
{
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
}

void p2b_reader_destroy(struct p2b_reader *r)
{
	if (r && __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) == 0)
		r->ops->close(r);
}

static void tick_reset(const struct p2b_reader *r)
{
	int fd = __atomic_load_n(&r->tick_fd, __ATOMIC_ACQUIRE);
	uint64_t ticks;

	/* Non-blocking: EAGAIN if the timer hasn't ticked since. */
	if (fd >= 0 && read(fd, &ticks, sizeof(ticks)) < 0)
		return;
}

int p2b_reader_take(struct p2b_reader *r, struct p2b_batch *batch)
{
	struct p2b_batch work = *batch;

	work.n = work.refused = 0;
	work.refused_cpu = work.refused_size = 0;
	*batch = work;
	if (p2b_reader_forked(r))
		return -ECHILD;
	if (!work.cap || !work.size || work.least > work.size)
		return -EINVAL;
	tick_reset(r);
	r->ops->take(r, &work);
	*batch = work;
	return 0;
}

int p2b_reader_cancelled(const struct p2b_reader *r)
{
	return __atomic_load_n(&r->cancelled, __ATOMIC_ACQUIRE);
}

static void pause_a_little(const struct p2b_reader *r)
{
	struct pollfd cancel = { .fd = r->cancel_fd, .events = POLLIN };
	struct timespec time = { .tv_nsec = BUSY_NS };

	/* The caller looks again, whether this was interrupted or not. */
	if (ppoll(&cancel, 1, &time, NULL) < 0)
		return;
}

int p2b_reader_wait(struct p2b_reader *r, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = 1;

	if (p2b_reader_forked(r))
		return -ECHILD;
	if (!p2b_reader_cancelled(r) && !__atomic_load_n(&r->more, __ATOMIC_RELAXED)) {
		if (__atomic_load_n(&r->busy, __ATOMIC_RELAXED) && timeout_ms)
			pause_a_little(r);
		n = epoll_wait(r->epoll_fd, events, EVENTS, timeout_ms);
		if (n < 0)
			n = -errno;
	}
	if (p2b_reader_cancelled(r))
		return -ECANCELED;
	return n > 0 ? 1 : n;
}

/* Takes no lock: this may be a signal handler of the thread that drains. */
void p2b_reader_cancel(struct p2b_reader *r)
{
	uint64_t one = 1;
	int saved = errno;

	if (p2b_reader_forked(r))
		return;
	__atomic_store_n(&r->cancelled, 1, __ATOMIC_RELEASE);
	/* Fails only when the counter is full, and then the waiters are awake already. */
	if (write(r->cancel_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

int p2b_reader_fd(const struct p2b_reader *r)
{
	return p2b_reader_forked(r) ? -ECHILD : r->epoll_fd;
}

/* The reader's timer, or -errno. The first caller makes it; if several are first, one of them makes it for all. */
static int timer_of(struct p2b_reader *r)
{
	int there = __atomic_load_n(&r->tick_fd, __ATOMIC_ACQUIRE), made, err;

	if (there >= 0)
		return there;
	made = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (made < 0)
		return -errno;
	err = p2b_reader_watch(r, made);
	if (!err && __atomic_compare_exchange_n(&r->tick_fd, &there, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made;
	close(made);
	return err ? err : there;
}

int p2b_reader_tick(struct p2b_reader *r, uint32_t ms)
{
	struct timespec every = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	struct itimerspec timer = { .it_interval = every, .it_value = every };
	int fd;

	if (p2b_reader_forked(r))
		return -ECHILD;
	fd = timer_of(r);
	if (fd < 0)
		return fd;
	return timerfd_settime(fd, 0, &timer, NULL) ? -errno : 0;
}

int p2b_reader_revive(struct p2b_reader *r)
{
	if (p2b_reader_forked(r))
		return -ECHILD;
	return r->ops->revive ? r->ops->revive(r) : 0;
}

static int count(struct p2b_reader *r, int64_t cpu, struct p2b_ring_stats *ret)
{
	*ret = (struct p2b_ring_stats){ 0 };
	return p2b_reader_forked(r) ? -ECHILD : r->ops->stats(r, cpu, ret);
}

int p2b_reader_stats(struct p2b_reader *r, struct p2b_ring_stats *ret)
{
	return count(r, -1, ret);
}

int p2b_reader_cpu_stats(struct p2b_reader *r, uint32_t cpu, struct p2b_ring_stats *ret)
{
	return count(r, cpu, ret);
}
