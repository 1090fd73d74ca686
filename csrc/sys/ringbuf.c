/*
 * A reader of a BPF ring buffer (kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst): two pages with positions that
 * count bytes and never wrap, then the data, mapped twice in a row so that every record is in one piece. We move the
 * consumer's position, the kernel the producers' position; a record's header tells when the record is ready.
 */
#include "sys/ringbuf.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

/* How many bytes are read before programs get the room back: enough to be cheap, few enough to be soon. */
static const uint64_t STEP = 1 << 16;

struct ringbuf {
	struct p2b_reader reader;
	int map_fd;
	size_t page_size;
	uint64_t size;
	uint64_t *consumer;     /* ours to write */
	const uint64_t *producer;
	const uint8_t *data;
	struct p2b_ring_stats stats;
};

static size_t producer_size(const struct ringbuf *b)
{
	return b->page_size + 2 * (size_t)b->size;
}

static int map_pages(struct ringbuf *b)
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

static void close_all(struct p2b_reader *reader)
{
	struct ringbuf *b = (struct ringbuf *)reader;

	if (b->producer)
		munmap((void *)b->producer, producer_size(b));
	if (b->consumer)
		munmap(b->consumer, b->page_size);
	p2b_reader_shut(reader);
	if (b->map_fd >= 0)
		close(b->map_fd);
	free(b);
}

/* ---- Records ------------------------------------------------------------------------------------------------- */

/* Copies records that have exactly the batch's size, count at most; returns how many there were in a row. */
P2B_INLINE uint64_t take_run(const uint8_t *record, uint64_t count, uint8_t *to, uint32_t size)
{
	const uint64_t length = BPF_RINGBUF_HDR_SZ + (((uint64_t)size + 7) & ~7ull);
	uint64_t n;

	for (n = 0; n < count; n++, record += length, to += size) {
		if (__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE) != size)
			break;
		p2b_fetch_ahead(record, size);
		memcpy(to, record + BPF_RINGBUF_HDR_SZ, size);
	}
	return n;
}

P2B_INLINE void walk(const uint8_t *data, uint64_t mask, uint64_t *position, uint64_t end, struct p2b_batch *batch,
		     struct p2b_ring_stats *stats, uint32_t size)
{
	const uint64_t begin = *position;
	struct p2b_batch b = *batch;
	uint64_t at = begin;

	while (at != end && !p2b_batch_full(&b) && at - begin < STEP) {
		const uint8_t *record = data + (at & mask);
		/* Pairs with the xchg that clears the busy bit once the record is complete. */
		uint32_t header = __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
		uint32_t n = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		uint64_t length = BPF_RINGBUF_HDR_SZ + (((uint64_t)n + 7) & ~7ull);

		if (header == size && !b.cpus && !b.sizes) {
			uint64_t count = (end - at < STEP ? end - at : STEP) / length;

			count = take_run(record, count < b.cap - b.n ? count : b.cap - b.n,
					 (uint8_t *)b.out + b.n * size, size);
			b.n += count;
			at += count * length;
			if (count)
				continue;
		}
		if (header & BPF_RINGBUF_BUSY_BIT)
			break;
		if (length > end - at) {
			/* Nobody knows where the next record begins: drop the rest. */
			stats->corrupt++;
			at = end;
			break;
		}
		if (!(header & BPF_RINGBUF_DISCARD_BIT))
			p2b_batch_put(&b, 0, record + BPF_RINGBUF_HDR_SZ, n, size);
		at += length;
	}
	*position = at;
	*batch = b;
}

void p2b_ringbuf_walk(const void *data, uint64_t size, uint64_t *position, uint64_t end, struct p2b_batch *b,
		      struct p2b_ring_stats *stats)
{
	uint64_t before = b->n, refused = b->refused;

	if (end - *position > size || (end | *position) & 7) {
		stats->corrupt++;
		*position = end;
		return;
	}
	P2B_FOR_SIZE(b->size, walk, data, size - 1, position, end, b, stats);
	stats->records += b->n - before;
	stats->corrupt += b->refused - refused;
}

/* Whether the next record is still being written; the kernel calls the ring readable nevertheless. */
static int is_busy(const struct ringbuf *b)
{
	uint64_t position = __atomic_load_n(b->consumer, __ATOMIC_RELAXED);
	const uint8_t *record = b->data + (position & (b->size - 1));

	if (position == __atomic_load_n(b->producer, __ATOMIC_ACQUIRE))
		return 0;
	return !!(__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE) & BPF_RINGBUF_BUSY_BIT);
}

static void take(struct p2b_reader *reader, struct p2b_batch *batch)
{
	struct ringbuf *b = (struct ringbuf *)reader;
	uint64_t position = __atomic_load_n(b->consumer, __ATOMIC_RELAXED), end, before;
	struct p2b_ring_stats now = p2b_stats_get(&b->stats);

	/*
	 * What comes after this moment waits for the next call, which bounds this one. The fence puts the position that
	 * an earlier call stored before this load: a program that finds us behind wakes nobody.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	end = __atomic_load_n(b->producer, __ATOMIC_ACQUIRE);
	do {
		before = position;
		if (position != end && !p2b_batch_full(batch))
			p2b_ringbuf_walk(b->data, b->size, &position, end, batch, &now);
		if (position != before)
			__atomic_store_n(b->consumer, position, __ATOMIC_RELEASE);
	} while (position != before);
	p2b_stats_put(&b->stats, &now);
	__atomic_store_n(&reader->more, p2b_batch_full(batch) && position != end, __ATOMIC_RELAXED);
	__atomic_store_n(&reader->busy, is_busy(b), __ATOMIC_RELAXED);
}

static int stats(struct p2b_reader *reader, int64_t cpu, struct p2b_ring_stats *ret)
{
	*ret = p2b_stats_get(&((struct ringbuf *)reader)->stats);
	return cpu < 0 ? 0 : -ENOENT;
}

static const struct p2b_reader_ops ops = { .take = take, .stats = stats, .close = close_all };

int p2b_ringbuf_create(int map_fd, uint64_t size, struct p2b_reader **ret)
{
	struct ringbuf *b;
	int err;

	*ret = NULL;
	if (!size || size & (size - 1) || size > UINT32_MAX)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->page_size = (size_t)sysconf(_SC_PAGESIZE);
	b->size = size;
	err = p2b_reader_init(&b->reader, &ops);
	/* A descriptor of our own, since the caller may close the map while others wait. */
	b->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 0);
	if (!err)
		err = b->map_fd < 0 ? -errno : map_pages(b);
	if (!err)
		err = p2b_reader_watch(&b->reader, b->map_fd);
	if (err)
		close_all(&b->reader);
	else
		*ret = &b->reader;
	return err;
}

int p2b_ringbuf_make(struct p2b_handle *map, uint64_t size, struct p2b_handle *ret)
{
	struct p2b_reader *reader = NULL;
	int fd = p2b_hold(map), err;

	if (fd < 0)
		return fd;
	err = p2b_ringbuf_create(fd, size, &reader);
	p2b_release(map);
	return p2b_own_reader(ret, reader, err);
}
