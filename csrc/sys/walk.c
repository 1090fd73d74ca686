/*
 * One pass over a map that changes meanwhile.
 *
 * In batches: the kernel hands out whole hash buckets, and arrays by index, so that a key that stays comes once and no
 * key comes twice. By keys: BPF_MAP_GET_NEXT_KEY starts over at the first key if the given key was deleted, so the walk
 * remembers the keys that it handed out, and skips them when they come again.
 */
#include "sys/calls.h"
#include "sys/seen.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <unistd.h>

enum {
	ROUNDS = 32,            /* a walk by keys gives up after ROUNDS * max_entries steps */
	STEPS_MIN = 4096,
	AGREE_TRIES = 64,
};

enum mode { MODE_START, MODE_BATCH, MODE_KEYS, MODE_END };

struct p2b_walk {
	int fd;                 /* of its own: the map may be closed meanwhile */
	enum mode mode;
	uint32_t key_size, value_size, flags;
	uint64_t steps_left;
	uint8_t *again, *first; /* MODE_KEYS: the second answer, the map's first key */
	uint8_t *cursor, *next; /* MODE_BATCH: where the kernel stopped; MODE_KEYS: the key to hand out, the one after */
	int error;              /* to return from the next call, since this one still hands out entries */
	struct p2b_seen seen;
};

static void destroy(void *walk)
{
	struct p2b_walk *w = walk;

	if (w->fd >= 0)
		close(w->fd);
	p2b_seen_free(&w->seen);
	free(w->cursor);
	free(w->next);
	free(w->again);
	free(w->first);
	free(w);
}

static int create(int fd, uint32_t key_size, uint32_t value_size, uint32_t max_entries, uint32_t flags,
		  struct p2b_handle *ret)
{
	struct p2b_walk *w = calloc(1, sizeof(*w));
	size_t cursor = key_size > sizeof(uint32_t) ? key_size : sizeof(uint32_t);
	int err = 0;

	if (!w)
		return -ENOMEM;
	*w = (struct p2b_walk){
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
		.mode = MODE_START,
		.key_size = key_size,
		.seen = { .key_size = key_size },
		.value_size = value_size,
		.flags = flags,
		.steps_left = (uint64_t)max_entries * ROUNDS + STEPS_MIN,
	};
	if (w->fd < 0)
		err = -errno;
	w->cursor = malloc(cursor);
	w->next = malloc(cursor);
	w->again = malloc(cursor);
	w->first = malloc(cursor);
	if (!err && w->cursor && w->next && w->again && w->first)
		return p2b_own_object(ret, w, destroy, 0);
	destroy(w);
	return err ? err : -ENOMEM;
}

int p2b_walk_make(struct p2b_handle *map, uint32_t key_size, uint32_t value_size, uint32_t max_entries, uint32_t flags,
		  struct p2b_handle *ret)
{
	int fd = p2b_hold(map), err;

	if (fd < 0)
		return fd;
	err = create(fd, key_size, value_size, max_entries, flags, ret);
	p2b_release(map);
	return err;
}

static uint64_t element_flags(const struct p2b_walk *w)
{
	return w->flags & P2B_WALK_LOCK ? BPF_F_LOCK : 0;
}

static int next_key(const struct p2b_walk *w, const void *key, void *next)
{
	return p2b_element(BPF_MAP_GET_NEXT_KEY, w->fd, key, next, 0);
}

static int batch_next(struct p2b_walk *w, void *keys, void *values, uint32_t cap)
{
	union bpf_attr attr;
	int err;

	memset(&attr, 0, sizeof(attr));
	attr.batch.map_fd = (uint32_t)w->fd;
	attr.batch.in_batch = w->mode == MODE_BATCH ? p2b_ptr(w->cursor) : 0;
	attr.batch.out_batch = p2b_ptr(w->cursor);
	attr.batch.keys = p2b_ptr(keys);
	attr.batch.values = p2b_ptr(values);
	attr.batch.count = cap;
	attr.batch.elem_flags = element_flags(w);
	err = p2b_bpf(w->flags & P2B_WALK_DELETE ? BPF_MAP_LOOKUP_AND_DELETE_BATCH : BPF_MAP_LOOKUP_BATCH, &attr,
		      sizeof(attr));
	if (err && err != -ENOENT)
		return err;
	w->mode = err ? MODE_END : MODE_BATCH;
	return (int)attr.batch.count;
}

static int take(struct p2b_walk *w, const void *key, void *value)
{
	int err;

	if (!(w->flags & P2B_WALK_DELETE))
		return p2b_element(BPF_MAP_LOOKUP_ELEM, w->fd, key, value, element_flags(w));
	err = p2b_element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, w->fd, key, value, element_flags(w));
	if (err != -EINVAL && err != -P2B_ENOTSUPP)
		return err;
	err = p2b_element(BPF_MAP_LOOKUP_ELEM, w->fd, key, value, element_flags(w));      /* hash maps have the combined command since 5.14 */
	return err ? err : p2b_element(BPF_MAP_DELETE_ELEM, w->fd, key, NULL, 0);
}

/* Takes the key at the cursor out of the map. 1, 0 if the key is gone already, or -errno. */
static int emit_taken(struct p2b_walk *w, void *key, void *value)
{
	int err = take(w, w->cursor, value);

	if (err)
		return err == -ENOENT ? 0 : err;
	memcpy(key, w->cursor, w->key_size);
	return p2b_seen_add(&w->seen, w->cursor);
}

static int same(const struct p2b_walk *w, int err1, const uint8_t *key1, int err2, const uint8_t *key2)
{
	return err1 == err2 && (err1 || !memcmp(key1, key2, w->key_size));
}

static int fatal(int err)
{
	return err && err != -ENOENT;
}

/*
 * Reads the value of the cursor's key (unless value is NULL) and finds the key after it: 0 or -ENOENT. A single answer
 * can't be trusted while others change the map: a trie's next key may leave out a branch, a recycled hash element leads
 * to another bucket, and a trie looks up a shorter prefix in place of a deleted one. So this asks before and after the
 * lookup, until both answers agree. *there tells whether the key was still in the map afterwards: if it wasn't, the
 * kernel's answer is the map's first key.
 */
static int settle(struct p2b_walk *w, void *value, int *there)
{
	for (int tries = 0; tries < AGREE_TRIES; tries++) {
		int before = next_key(w, w->cursor, w->next);
		int found = value ? p2b_element(BPF_MAP_LOOKUP_ELEM, w->fd, w->cursor, value, element_flags(w)) : 0;
		int after = next_key(w, w->cursor, w->again);
		int first = next_key(w, NULL, w->first);
		int agree = same(w, before, w->next, after, w->again);

		if (fatal(before) || fatal(after) || fatal(first) || fatal(found))
			return fatal(before) ? before : fatal(after) ? after : fatal(first) ? first : found;
		*there = !found && !first && !same(w, after, w->again, 0, w->first);
		memcpy(w->next, w->again, w->key_size);
		if (agree || !*there)
			return after;
	}
	return -EBUSY;
}

/* One step of a walk by keys: entries handed out (0 or 1) or -errno. */
static int key_step(struct p2b_walk *w, void *key, void *value)
{
	int known = p2b_seen_has(&w->seen, w->cursor), there = 0, n = 0, last;

	if (!w->steps_left--)
		return -EBUSY;
	/* The next key must be found before the key is deleted. */
	last = w->flags & P2B_WALK_DELETE ? next_key(w, w->cursor, w->next) :
					    settle(w, known ? NULL : value, &there);
	if (fatal(last))
		return last;
	if (w->flags & P2B_WALK_DELETE) {
		n = known ? 0 : emit_taken(w, key, value);
	} else if (there && !known) {
		memcpy(key, w->cursor, w->key_size);
		n = p2b_seen_add(&w->seen, w->cursor);
	}
	if (n < 0)
		return n;
	if (last) {
		w->mode = MODE_END;
	} else {
		uint8_t *old = w->cursor;

		w->cursor = w->next;
		w->next = old;
	}
	return n;
}

static int keys_next(struct p2b_walk *w, uint8_t *keys, uint8_t *values, uint32_t cap)
{
	uint32_t n = 0;

	while (n < cap && w->mode == MODE_KEYS) {
		int r = key_step(w, keys + (size_t)n * w->key_size, values + (size_t)n * w->value_size);

		if (r < 0) {
			w->mode = MODE_END;
			w->error = r;
			break;
		}
		n += (uint32_t)r;
	}
	return (int)n;
}

/* The first call finds out whether the map has batches. */
static int start(struct p2b_walk *w, void *keys, void *values, uint32_t cap)
{
	int r;

	if (!(w->flags & P2B_WALK_KEYS)) {
		r = batch_next(w, keys, values, cap);
		if (r != -EINVAL && r != -P2B_ENOTSUPP)
			return r;
	}
	r = next_key(w, NULL, w->cursor);
	w->mode = r ? MODE_END : MODE_KEYS;
	if (r)
		return r == -ENOENT ? 0 : r;
	return keys_next(w, keys, values, cap);
}

static int read_on(struct p2b_walk *w, void *keys, void *values, uint32_t cap)
{
	int n = 0;

	if (!cap || cap > INT32_MAX)
		return -EINVAL;
	while (!n && w->mode != MODE_END) {
		if (w->mode == MODE_START)
			n = start(w, keys, values, cap);
		else if (w->mode == MODE_BATCH)
			n = batch_next(w, keys, values, cap);
		else
			n = keys_next(w, keys, values, cap);
	}
	if (!n && w->error) {
		n = w->error;
		w->error = 0;
	}
	return n;
}

int p2b_walk_next(struct p2b_handle *walk, void *keys, void *values, uint32_t cap)
{
	int r = p2b_hold(walk);

	if (r < 0)
		return r;
	r = read_on(walk->object, keys, values, cap);
	p2b_release(walk);
	return r;
}
