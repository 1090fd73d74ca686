/* The functions of api/queues.h that take a reader's handle: each call holds the reader that it uses. */
#include "common/reader.h"

static void destroy(void *reader)
{
	p2b_reader_destroy(reader);
}

int p2b_own_reader(struct p2b_handle *ret, struct p2b_reader *reader, int err)
{
	return err ? err : p2b_own_object(ret, reader, destroy, 0);
}

int p2b_queue_take(struct p2b_handle *queue, struct p2b_batch *batch)
{
	int r = p2b_hold(queue);

	if (r < 0)
		return r;
	r = p2b_reader_take(queue->object, batch);
	p2b_release(queue);
	return r;
}

int p2b_queue_wait(struct p2b_handle *queue, int timeout_ms)
{
	int r = p2b_hold(queue);

	if (r < 0)
		return r;
	r = p2b_reader_wait(queue->object, timeout_ms);
	p2b_release(queue);
	return r;
}

void p2b_queue_cancel(struct p2b_handle *queue)
{
	if (p2b_hold(queue) < 0)
		return;
	p2b_reader_cancel(queue->object);
	p2b_release(queue);
}

int p2b_queue_poll(struct p2b_handle *queue, struct p2b_handle *ret)
{
	struct p2b_reader *reader;
	int r = p2b_hold(queue);

	if (r < 0)
		return r;
	reader = queue->object;
	r = p2b_reader_fd(reader);
	if (r >= 0) {
		p2b_reader_hold(reader);
		r = p2b_own_object(ret, reader, destroy, r);
	}
	p2b_release(queue);
	return r;
}

int p2b_queue_tick(struct p2b_handle *queue, uint32_t ms)
{
	int r = p2b_hold(queue);

	if (r < 0)
		return r;
	r = p2b_reader_tick(queue->object, ms);
	p2b_release(queue);
	return r;
}

int p2b_queue_revive(struct p2b_handle *queue)
{
	int r = p2b_hold(queue);

	if (r < 0)
		return r;
	r = p2b_reader_revive(queue->object);
	p2b_release(queue);
	return r;
}

int p2b_queue_stats(struct p2b_handle *queue, int64_t cpu, struct p2b_ring_stats *ret)
{
	int r = p2b_hold(queue);

	if (r < 0)
		return r;
	r = cpu < 0 ? p2b_reader_stats(queue->object, ret) : p2b_reader_cpu_stats(queue->object, (uint32_t)cpu, ret);
	p2b_release(queue);
	return r;
}
