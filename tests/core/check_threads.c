/*
 * What Python's threads do with the GIL released, without a Python: calls of the same handles at once, while another
 * thread closes them. Under the thread sanitizer this shows what only chance would else.
 */
#include "check.h"
#include "common/reader.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 6, ROUNDS = 40, CALLS = 400 };

struct team {
	void (*const *bodies)(void *shared);
	void *shared;
	pthread_barrier_t begin;
};

struct member {
	struct team *team;
	uint32_t number;
};

static void *start(void *arg)
{
	const struct member *m = arg;

	pthread_barrier_wait(&m->team->begin);
	m->team->bodies[m->number](m->team->shared);
	return NULL;
}

/* Runs each body in a thread of its own, all at once. */
static void together(void (*const *bodies)(void *), uint32_t n, void *shared)
{
	struct team team = { .bodies = bodies, .shared = shared };
	struct member members[THREADS_MAX];
	pthread_t threads[THREADS_MAX];

	CHECK(n <= THREADS_MAX && pthread_barrier_init(&team.begin, NULL, n) == 0);
	for (uint32_t i = 0; i < n; i++) {
		members[i] = (struct member){ &team, i };
		CHECK(pthread_create(&threads[i], NULL, start, &members[i]) == 0);
	}
	for (uint32_t i = 0; i < n; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	pthread_barrier_destroy(&team.begin);
}

#define TOGETHER(shared, ...)                                                                  \
	do {                                                                                   \
		static void (*const bodies[])(void *) = { __VA_ARGS__ };                       \
		together(bodies, sizeof(bodies) / sizeof(*bodies), shared);                    \
	} while (0)

/* ---- Handles --------------------------------------------------------------------------------------------------- */

static void destroy_number(void *object)
{
	*(uint64_t *)object = 0;
	free(object);
}

static void read_object(void *shared)
{
	struct p2b_handle *h = shared;

	while (p2b_hold(h) >= 0) {
		CHECK(*(uint64_t *)h->object == 7);
		p2b_release(h);
	}
	CHECK(p2b_handle_fd(h) == -ESHUTDOWN);
}

static void copy_descriptor(void *shared)
{
	for (;;) {
		struct p2b_handle copy = { 0 };
		int err = p2b_handle_copy(shared, &copy);

		if (err) {
			CHECK(err == -ESHUTDOWN);
			return;
		}
		CHECK(p2b_handle_fd(&copy) >= 0);
		p2b_handle_close(&copy);
	}
}

static void close_it(void *shared)
{
	p2b_handle_close(shared);
}

static void handles(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct p2b_handle object = { 0 }, descriptor = { 0 };
		uint64_t *number = malloc(sizeof(*number));

		CHECK(number);
		*number = 7;
		CHECK(p2b_own_object(&object, number, destroy_number, 0) == 0);
		TOGETHER(&object, read_object, read_object, close_it, close_it);
		CHECK(p2b_handle_adopt(&descriptor, eventfd(0, EFD_CLOEXEC)) == 0);
		TOGETHER(&descriptor, copy_descriptor, copy_descriptor, close_it, close_it);
	}
}

/* ---- A machine with maps, a program that uses them, and a reader ----------------------------------------------- */

enum { HASH, RING, USER_RING, N_MAPS, CPUS = 2, KEY = 1, RECORD = 4 };

struct world {
	struct p2b_vm *vm;
	struct p2b_handle maps[N_MAPS], perf, prog, queue;
	pthread_mutex_t turn;   /* who takes records, or looks into the user ring, has it: as api.h wants */
	uint64_t taken, runs;
};

/* Adds 1 to the entry of KEY where there is one, and writes a record. */
static const struct slot counting[] = {
	{ 0x62, 10, -4, KEY },                  /* the key, on the stack */
	{ 0xbf, 10 << 4 | 2, 0, 0 }, { 0x07, 2, 0, -4 }, { 0x18, 1 << 4 | 1, 0, HASH }, { 0 }, { 0x85, 0, 0, 1 },
	{ 0x15, 0, 2, 0 }, { 0xb7, 1, 0, 1 }, { 0xdb, 1 << 4, 0, 0 },
	{ 0x18, 1 << 4 | 1, 0, RING }, { 0 }, { 0xbf, 10 << 4 | 2, 0, 0 }, { 0x07, 2, 0, -4 },
	{ 0xb7, 3, 0, RECORD }, { 0xb7, 4, 0, 0 }, { 0x85, 0, 0, 130 },
	{ 0xb7, 0, 0, 0 }, { 0x95, 0, 0, 0 },
};

static void open_world(struct world *w)
{
	static const struct p2b_vm_map_spec specs[] = {
		{ 1, 4, 8, 64, 0, CPUS, NULL, NULL }, { 27, 0, 0, 4096, 0, CPUS, NULL, NULL },
		{ 31, 0, 0, 4096, 0, CPUS, NULL, NULL }, { 4, 4, 4, CPUS, 0, CPUS, NULL, NULL },
	};
	struct p2b_handle *maps[N_MAPS];
	struct p2b_fault fault;

	*w = (struct world){ .turn = PTHREAD_MUTEX_INITIALIZER };
	CHECK(p2b_vm_create(CPUS, &w->vm) == 0);
	for (int i = 0; i < N_MAPS; i++) {
		maps[i] = &w->maps[i];
		CHECK(p2b_vm_map_create(w->vm, &specs[i], maps[i]) == 0);
	}
	CHECK(p2b_vm_map_create(w->vm, &specs[N_MAPS], &w->perf) == 0);
	CHECK(p2b_vm_prog_create(w->vm, counting, sizeof(counting) / sizeof(*counting), 1, maps, N_MAPS, NULL, 0, &fault,
				 &w->prog) == 0);
	CHECK(p2b_vm_queue_read(&w->maps[RING], 0, 0, &w->queue) == 0);
}

static void close_world(struct world *w)
{
	for (int i = 0; i < N_MAPS; i++)
		p2b_handle_close(&w->maps[i]);
	p2b_handle_close(&w->perf);
	p2b_handle_close(&w->prog);
	p2b_handle_close(&w->queue);
	p2b_vm_destroy(w->vm);
}

static int go_on(void)
{
	return 0;
}

static void run(void *shared)
{
	static const uint8_t packet[64];
	struct world *w = shared;
	int err = 0;

	for (int i = 0; i < CALLS && !err; i++) {
		struct p2b_vm_run one = { .data = packet, .data_size = sizeof(packet), .repeat = 3, .pause = go_on };

		err = p2b_vm_run(&w->prog, &one);
		if (!err)
			__atomic_add_fetch(&w->runs, one.repeat, __ATOMIC_RELAXED);
	}
	CHECK(!err || err == -ESHUTDOWN);
}

static void use_map(void *shared)
{
	struct world *w = shared;
	struct p2b_handle *map = &w->maps[HASH];
	uint32_t keys[128] = { KEY, 2, 3, 4 }, done;
	uint64_t values[128] = { 0 };
	int64_t n = 0;

	for (uint32_t i = 0; i < CALLS && n >= 0; i++) {
		uint32_t key = 2 + i % 8;

		p2b_vm_map_update(map, &key, values, 0);
		p2b_vm_map_update_many(map, keys, values, 1 + i % 4, 1, &done);
		p2b_vm_map_lookup(map, &keys[0], &values[0]);
		p2b_vm_map_next_key(map, &key, &keys[5]);
		p2b_vm_map_take(map, &key, &values[1]);
		p2b_vm_map_delete(map, &keys[1]);
		p2b_vm_map_count(map);
		n = p2b_vm_map_walk(map, keys, values, 128, 0);
		keys[0] = KEY;
		p2b_vm_set(w->vm, P2B_VM_CPU, i % CPUS);
	}
	CHECK(n >= 0 || n == -ESHUTDOWN);
}

static void take(void *shared)
{
	struct world *w = shared;
	uint32_t records[64];
	int r = 0;

	while (r >= 0) {
		struct p2b_batch batch = { .out = records, .cap = 64, .size = RECORD, .least = RECORD };

		r = p2b_queue_wait(&w->queue, 1);
		pthread_mutex_lock(&w->turn);
		if (r >= 0)
			r = p2b_queue_take(&w->queue, &batch);
		w->taken += batch.n;
		pthread_mutex_unlock(&w->turn);
	}
	CHECK(r == -ECANCELED || r == -ESHUTDOWN);
}

static void watch(void *shared)
{
	struct world *w = shared;
	int err = 0;

	for (int i = 0; i < CALLS && !err; i++) {
		struct p2b_handle poller = { 0 };
		struct p2b_ring_stats stats;
		uint64_t positions[2];

		err = p2b_queue_poll(&w->queue, &poller);
		if (!err) {
			struct pollfd one = { .fd = p2b_handle_fd(&poller), .events = POLLIN };

			CHECK(poll(&one, 1, 0) >= 0);
		}
		p2b_handle_close(&poller);
		p2b_queue_tick(&w->queue, 1);
		p2b_queue_stats(&w->queue, -1, &stats);
		p2b_vm_ring_positions(&w->maps[RING], positions);
	}
	CHECK(!err || err == -ESHUTDOWN);
}

static void send_records(void *shared)
{
	struct world *w = shared;
	uint64_t position = UINT64_MAX, record;
	int64_t r = 0;

	for (int i = 0; i < CALLS && r != -ESHUTDOWN; i++) {
		p2b_vm_user_ring_send(&w->maps[USER_RING], &(uint64_t){ 7 }, sizeof(uint64_t));
		p2b_vm_user_ring_waiting(&w->maps[USER_RING]);
		r = p2b_vm_user_ring_peek(&w->maps[USER_RING], &position, &record, sizeof(record), i % 2);
		CHECK(r != sizeof(record) || record == 7);
	}
}

static void close_all(void *shared)
{
	static const struct timespec moment = { .tv_nsec = 2000000 };
	struct world *w = shared;

	nanosleep(&moment, NULL);
	p2b_queue_cancel(&w->queue);
	p2b_handle_close(&w->queue);
	for (int i = 0; i < N_MAPS; i++)
		p2b_handle_close(&w->maps[i]);
	p2b_handle_close(&w->prog);
}

static void finish(void *shared)
{
	struct world *w = shared;

	run(w);
	run(w);
	p2b_queue_cancel(&w->queue);
}

/* Nothing is closed: all runs are counted by the map, and all records come or are lost. */
static void counts(void)
{
	struct p2b_ring_stats stats;
	struct p2b_batch batch;
	uint32_t key = KEY, records[512];
	uint64_t value = 0;
	struct world w;

	open_world(&w);
	CHECK(p2b_vm_map_update(&w.maps[HASH], &key, &value, 0) == 0);
	TOGETHER(&w, run, finish, take, take, watch, watch);
	batch = (struct p2b_batch){ .out = records, .cap = 512, .size = RECORD, .least = RECORD };
	CHECK(p2b_queue_take(&w.queue, &batch) == 0);
	CHECK(p2b_queue_stats(&w.queue, -1, &stats) == 0);
	CHECK(p2b_vm_map_lookup(&w.maps[HASH], &key, &value) == 0);
	CHECK(w.runs == 9 * CALLS && value == w.runs);
	CHECK(w.taken + batch.n == stats.records && stats.records + stats.lost == w.runs);
	close_world(&w);
}

static void closings(void)
{
	for (int i = 0; i < ROUNDS / 4; i++) {
		struct world w;

		open_world(&w);
		TOGETHER(&w, run, use_map, use_map, send_records, send_records, close_all);
		close_world(&w);
		open_world(&w);
		TOGETHER(&w, run, take, take, watch, watch, close_all);
		close_world(&w);
	}
}

/* ---- One of several ---------------------------------------------------------------------------------------------- */

static void make_rings(void *shared)
{
	struct world *w = shared;
	struct p2b_handle queue = { 0 };
	int err = p2b_vm_queue_read(&w->perf, 1, 0, &queue);

	CHECK(!err || err == -EBUSY);
	if (!err)
		__atomic_add_fetch(&w->taken, 1, __ATOMIC_RELAXED);
	p2b_handle_close(&queue);
}

static void start_timer(void *shared)
{
	struct world *w = shared;

	CHECK(p2b_queue_tick(&w->queue, 1000) == 0);
}

/* How many of the lowest descriptors are open. */
static uint32_t descriptors(void)
{
	uint32_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* A perf event array has one reader, and a reader one timer, however many ask at once. */
static void firsts(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t before;
		struct world w;

		open_world(&w);
		TOGETHER(&w, make_rings, make_rings, make_rings);
		CHECK(w.taken == 1);
		before = descriptors();
		TOGETHER(&w, start_timer, start_timer, start_timer);
		CHECK(descriptors() == before + 1);
		close_world(&w);
	}
}

void check_threads(void)
{
	handles();
	counts();
	closings();
	firsts();
}
