/* The embedded VM's maps, against simple models and at their limits. */
#include "check.h"
#include "common/reader.h"
#include "vm/map/ops.h"

#include <unistd.h>

#include "vm/prog.h"

enum { CPUS = 3, HASH = 1, ARRAY = 2, PERF = 4, PERCPU_HASH = 5, PERCPU_ARRAY = 6, LRU = 9, LRU_PERCPU = 10, LPM = 11,
       QUEUE = 22, STACK = 23, RING = 27, NOEXIST = 1, EXIST = 2 };

static struct p2b_vm *vm;

static struct vm_map *make(uint32_t kind, uint32_t key_size, uint32_t value_size, uint32_t entries)
{
	const struct p2b_vm_map_spec spec = { kind, key_size, value_size, entries, kind == LPM, CPUS, NULL, NULL };
	struct vm_map *map;

	CHECK(vm_map_create(vm, &spec, &map) == 0);
	return map;
}

static int refused(uint32_t kind, uint32_t key_size, uint32_t value_size, uint32_t entries, uint32_t flags)
{
	const struct p2b_vm_map_spec spec = { kind, key_size, value_size, entries, flags, CPUS, NULL, NULL };
	struct vm_map *map;
	int err = vm_map_create(vm, &spec, &map);

	CHECK(!map);
	return err;
}

static void refusals(void)
{
	const struct p2b_vm_map_spec of_no_cpu = { PERCPU_ARRAY, 4, 4, 4, 0, 0, NULL, NULL };
	struct vm_map *map;

	CHECK(vm_map_create(vm, &of_no_cpu, &map) < 0 && !map);
	CHECK(refused(99, 4, 4, 4, 0) == -EINVAL);
	CHECK(refused(HASH, 0, 4, 4, 0) == -EINVAL);
	CHECK(refused(HASH, 4, 0, 4, 0) == -EINVAL);
	CHECK(refused(HASH, 4, 4, 0, 0) == -EINVAL);
	CHECK(refused(HASH, 4, 4, 4, 1 << 6) == -EINVAL);
	CHECK(refused(HASH, 513, 4, 4, 0) == -E2BIG);
	CHECK(refused(HASH, 8, 32768, UINT32_MAX - 2, 0) < 0);
	CHECK(refused(HASH, 8, 8, UINT32_MAX, 0) == -E2BIG);
	CHECK(refused(ARRAY, 8, 4, 4, 0) == -EINVAL);
	CHECK(refused(PERCPU_ARRAY, 4, 32769, 4, 0) == -E2BIG);
	CHECK(refused(LPM, 8, 4, 4, 0) == -EINVAL);
	CHECK(refused(LPM, 4, 4, 4, 1) == -EINVAL);
	CHECK(refused(LPM, 261, 4, 4, 1) == -EINVAL);
	CHECK(refused(QUEUE, 4, 4, 4, 0) == -EINVAL);
	CHECK(refused(RING, 0, 0, 5000, 0) == -EINVAL);
	CHECK(refused(PERF, 8, 4, 4, 0) == -EINVAL);
}

/* Random operations on few keys, in user space and as programs do them, against an array. */
static void hash_model(uint32_t kind)
{
	enum { KEYS = 24, ENTRIES = 16 };
	struct vm_map *map = make(kind, 4, 8, ENTRIES);
	uint64_t model[KEYS], state = 7, used = 0, keys_seen = 0;
	uint32_t keys[KEYS];
	uint64_t values[KEYS];
	int there[KEYS] = { 0 };

	for (int i = 0; i < 20000; i++) {
		uint32_t key = (uint32_t)(random_u64(&state) >> 33) % KEYS, flags = (uint32_t)(random_u64(&state) >> 33) % 3;
		uint64_t value = random_u64(&state), got = 0;
		int wanted = there[key] ? (flags == NOEXIST ? -EEXIST : 0)
					: flags == EXIST ? -ENOENT : used == ENTRIES ? -E2BIG : 0;

		switch (random_u64(&state) >> 62) {
		case 0:
			CHECK(vm_map_update(map, &key, &value, flags) == wanted);
			break;
		case 1:
			CHECK(vm_map_put(map, &key, &value, flags, 0) == wanted);
			break;
		case 2:
			wanted = -1;
			CHECK(vm_map_delete(map, &key) == (there[key] ? 0 : -ENOENT));
			used -= (uint64_t)there[key];
			there[key] = 0;
			break;
		default:
			wanted = -1;
			CHECK(vm_map_lookup(map, &key, &got) == (there[key] ? 0 : -ENOENT));
			CHECK(!there[key] || got == model[key]);
			CHECK(!vm_map_find(map, &key, 0) == !there[key]);
		}
		if (!wanted) {
			used += !there[key];
			there[key] = 1;
			model[key] = value;
		}
		CHECK(vm_map_count(map) == (int64_t)used);
	}
	CHECK(used < 2 || vm_map_walk(map, keys, values, 1, 0) == -ENOSPC);
	CHECK(vm_map_walk(map, keys, values, KEYS, P2B_WALK_DELETE) == (int64_t)used);
	for (uint64_t i = 0; i < used; i++) {
		CHECK(there[keys[i]] && model[keys[i]] == values[i] && !(keys_seen >> keys[i] & 1));
		keys_seen |= 1ull << keys[i];
	}
	CHECK(vm_map_count(map) == 0 && vm_map_next_key(map, NULL, keys) == -ENOENT);
	vm_map_destroy(map);
}

/* What a program holds a pointer to stays in the arena, and a replaced value keeps its bytes as in the kernel. */
static void hash_pointers(void)
{
	struct vm_map *map = make(HASH, 4, 8, 2);
	uint64_t value = 1;
	uint32_t key = 5;
	uint64_t *at;

	CHECK(vm_map_put(map, &key, &value, 0, 0) == 0);
	at = vm_map_find(map, &key, 0);
	CHECK((uint8_t *)at >= map->arena && (uint8_t *)(at + 1) <= map->arena + map->arena_size && *at == 1);
	value = 2;
	CHECK(vm_map_put(map, &key, &value, 0, 0) == 0 && *at == 1);
	CHECK(*(uint64_t *)vm_map_find(map, &key, 0) == 2 && !vm_map_find(map, &key, CPUS));
	CHECK(vm_map_put(map, &key, vm_map_find(map, &key, 0), EXIST, 0) == 0);
	CHECK(vm_map_put(map, &key, &value, 3, 0) == -EINVAL && vm_map_put(map, &key, &value, 0, CPUS) == -EINVAL);
	vm_map_destroy(map);
}

static void per_cpu(uint32_t kind)
{
	struct vm_map *map = make(kind, 4, 12, 4);
	uint8_t all[CPUS * 16], one[12];
	uint32_t key = 1;

	memset(one, 0xaa, sizeof(one));
	CHECK(vm_map_put(map, &key, one, 0, 1) == 0);
	memset(all, 0xee, sizeof(all));
	CHECK(vm_map_lookup(map, &key, all) == 0);
	for (int i = 0; i < CPUS * 16; i++)
		CHECK(all[i] == (i >= 16 && i < 28 ? 0xaa : 0));
	for (int i = 0; i < CPUS; i++)
		memset(all + i * 16, i + 1, 12);
	CHECK(vm_map_update(map, &key, all, 0) == 0);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		CHECK(!memcmp(vm_map_find(map, &key, cpu), all + cpu * 16, 12));
	CHECK(!vm_map_find(map, &key, CPUS));
	vm_map_destroy(map);
}

static void lru(void)
{
	struct vm_map *map = make(LRU, 4, 4, 4);
	uint32_t hot = 0, value;

	for (uint32_t key = 0; key < 1000; key++) {
		CHECK(vm_map_put(map, &key, &key, 0, 0) == 0);
		CHECK(vm_map_find(map, &hot, 0));       /* used: stays */
		CHECK(vm_map_count(map) == (key < 4 ? key + 1 : 4));
	}
	for (uint32_t key = 997; key < 1000; key++)
		CHECK(vm_map_lookup(map, &key, &value) == 0 && value == key);
	CHECK(vm_map_lookup(map, &hot, &value) == 0 && value == 0);
	vm_map_destroy(map);
}

static void array(void)
{
	struct vm_map *map = make(ARRAY, 4, 5, 3);
	uint8_t value[5] = { 1, 2, 3, 4, 5 }, got[5];
	uint32_t key = 2, keys[3], next;
	uint8_t values[15];

	CHECK(vm_map_update(map, &key, value, NOEXIST) == -EEXIST && vm_map_update(map, &key, value, EXIST) == 0);
	CHECK(vm_map_delete(map, &key) == -EINVAL && vm_map_take(map, &key, got) == -EINVAL);
	CHECK(vm_map_lookup(map, &key, got) == 0 && !memcmp(got, value, 5));
	CHECK(vm_map_next_key(map, &key, &next) == -ENOENT);
	key = 3;
	CHECK(vm_map_update(map, &key, value, 0) == -E2BIG && !vm_map_find(map, &key, 0));
	CHECK(vm_map_next_key(map, &key, &next) == 0 && next == 0);
	CHECK(vm_map_walk(map, keys, values, 3, 0) == 3 && keys[2] == 2 && !memcmp(values + 10, value, 5));
	CHECK(vm_map_walk(map, keys, values, 3, P2B_WALK_DELETE) == -EINVAL);
	vm_map_destroy(map);
}

struct prefix {
	uint32_t length;
	uint8_t address[4];
};

static int covers(const struct prefix *p, const uint8_t *address)
{
	for (uint32_t bit = 0; bit < p->length; bit++)
		if ((p->address[bit / 8] ^ address[bit / 8]) & (0x80 >> bit % 8))
			return 0;
	return 1;
}

static uint32_t given_back;

static void done(void *memory)
{
	CHECK(memory != NULL);
	given_back++;
}

/* An array in its user's memory, which it needs as long as anybody holds it. */
static void array_elsewhere(void)
{
	uint64_t memory[2 * 4] = { 0 };
	const struct p2b_vm_map_spec spec = { ARRAY, 4, 8, 4, 1 << 10, CPUS, memory, done };
	const struct p2b_vm_map_spec wrong = { ARRAY, 8, 8, 4, 1 << 10, CPUS, memory, done };
	const uint32_t key = 3;
	const uint64_t value = 77;
	struct vm_map *map;

	CHECK(p2b_vm_array_size(8, 4) == sizeof(memory) && !p2b_vm_array_size(UINT32_MAX, UINT32_MAX));
	CHECK(vm_map_create(vm, &wrong, &map) == -EINVAL && !map && !given_back);
	CHECK(vm_map_create(vm, &spec, &map) == 0 && vm_map_update(map, &key, &value, 0) == 0);
	CHECK(memory[2 * 3] == 77);
	vm_map_hold(map);
	vm_map_destroy(map);
	CHECK(!given_back);
	vm_map_release(map);
	CHECK(given_back == 1);
}

static void lpm(void)
{
	enum { N = 200 };
	struct vm_map *map = make(LPM, 8, 4, N);
	static struct prefix stored[N];
	uint64_t state = 3;

	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t i = (uint32_t)(random_u64(&state) >> 33) % N, best = N;
		struct prefix asked = { .length = 32 };
		uint32_t *found;

		stored[i].length = stored[i].length ? stored[i].length : 1 + i % 32;
		stored[i].address[0] = (uint8_t)i;
		stored[i].address[1] = (uint8_t)(i * 7);
		CHECK(vm_map_put(map, &stored[i], &i, 0, 0) == 0);
		asked.address[0] = (uint8_t)(random_u64(&state) >> 56);
		asked.address[1] = (uint8_t)(asked.address[0] * 7);
		for (uint32_t j = 0; j < N; j++)
			if (stored[j].length && covers(&stored[j], asked.address) &&
			    (best == N || stored[j].length > stored[best].length))
				best = j;
		found = vm_map_find(map, &asked, 0);
		CHECK(!found == (best == N) && (!found || stored[*found].length == stored[best].length));
	}
	for (uint32_t i = 0; i < N; i++) {
		int err = stored[i].length ? vm_map_delete(map, &stored[i]) : -ENOENT;

		CHECK(err == 0 || err == -ENOENT);      /* the same prefix under two numbers */
	}
	CHECK(vm_map_count(map) == 0);
	stored[0].length = 33;
	CHECK(vm_map_put(map, &stored[0], &state, 0, 0) == -EINVAL && !vm_map_find(map, &stored[0], 0));
	vm_map_destroy(map);
}

static void lists(void)
{
	struct vm_map *queue = make(QUEUE, 0, 4, 3), *stack = make(STACK, 0, 4, 3);
	uint32_t value = 9;

	CHECK(vm_map_pop(queue, &value) == -ENOENT && value == 0);
	for (uint32_t i = 0; i < 5; i++) {
		CHECK(vm_map_push(queue, &i, EXIST) == 0 && vm_map_push(stack, &i, EXIST) == 0);
	}
	CHECK(vm_map_push(queue, &value, 0) == -E2BIG && vm_map_push(queue, &value, NOEXIST) == -EINVAL);
	CHECK(vm_map_lookup(queue, NULL, &value) == 0 && value == 2);
	CHECK(vm_map_lookup(stack, NULL, &value) == 0 && value == 4);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(vm_map_take(queue, NULL, &value) == 0 && value == 2 + i);
		CHECK(vm_map_pop(stack, &value) == 0 && value == 4 - i);
	}
	CHECK(vm_map_update(queue, NULL, &value, 0) == 0 && vm_map_peek(queue, &value) == 0 && value == 2);
	CHECK(!vm_map_find(queue, &value, 0) && vm_map_del(queue, &value) == -EINVAL);
	vm_map_destroy(queue);
	vm_map_destroy(stack);
}

/* Takes at most cap records of size bytes; how many. */
static uint64_t take(struct p2b_reader *reader, struct p2b_batch *batch, void *out, uint64_t cap, uint32_t size)
{
	*batch = (struct p2b_batch){ .out = out, .cap = cap, .size = size, .least = size, .cpus = batch->cpus,
				     .sizes = batch->sizes };
	CHECK(p2b_reader_take(reader, batch) == 0 && batch->n <= cap);
	return batch->n;
}

static void perf(void)
{
	struct p2b_reader *reader, *second;
	struct vm_map *map = make(PERF, 4, 4, CPUS);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), fit = page / 32, got = 0;
	uint8_t data[16] = { 0 }, *out = calloc(1, 1 << 16);
	uint32_t cpus[64], sizes[64];
	struct p2b_batch batch = { .cpus = cpus, .sizes = sizes };
	struct p2b_ring_stats stats;

	CHECK(vm_map_emit(map, 0, data, 16) == -ENOENT);
	CHECK(vm_queue_read(map, 3, 0, &reader) == -EINVAL && vm_queue_read(map, 1, 0, &reader) == 0);
	CHECK(vm_queue_read(map, 1, 0, &second) == -EBUSY && !second && p2b_reader_wait(reader, 0) == 0);
	CHECK(vm_map_emit(map, CPUS, data, 16) == -E2BIG && vm_map_emit(map, 0, data, 65536) == -E2BIG);
	CHECK(vm_map_emit(map, 0, out, 65516) == -ENOSPC && vm_map_emit(map, 0, out, 65517) == -E2BIG);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < fit + 5; i++) {
			memcpy(data, &i, 4);
			CHECK(vm_map_emit(map, 1, data, i % 2 ? 16 : 13) == (i < fit ? 0 : -ENOSPC));
		}
		CHECK(p2b_reader_wait(reader, 0) == 1);
		for (uint32_t i = 0; take(reader, &batch, out, 1, 16); i++, got++)
			CHECK(cpus[0] == 1 && sizes[0] == 20 && !memcmp(out, &i, 4));
		CHECK(p2b_reader_wait(reader, 0) == 0);
	}
	CHECK(p2b_reader_stats(reader, &stats) == 0 && stats.records == got && got == 20 * fit && stats.lost == 101);
	CHECK(p2b_reader_cpu_stats(reader, 1, &stats) == 0 && stats.records == got && stats.lost == 100);
	CHECK(p2b_reader_cpu_stats(reader, CPUS, &stats) == -ENOENT);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		CHECK(vm_map_emit(map, cpu, data, 16) == 0 && vm_map_emit(map, cpu, data, 16) == 0);
	CHECK(take(reader, &batch, out, 2, 16) == 2 && cpus[0] != cpus[1] && p2b_reader_wait(reader, 0) == 1);
	CHECK(take(reader, &batch, out, 1, 21) == 0 && batch.refused == 2 * CPUS - 2 && batch.refused_size == 20);
	CHECK(p2b_reader_wait(reader, 0) == 0 && p2b_reader_stats(reader, &stats) == 0 && stats.corrupt == batch.refused);
	p2b_reader_cancel(reader);
	CHECK(p2b_reader_wait(reader, -1) == -ECANCELED);
	batch.cap = 0;
	CHECK(p2b_reader_take(reader, &batch) == -EINVAL);
	free(out);
	vm_map_destroy(map);
	p2b_reader_destroy(reader);
}

static void perf_in_order(void)
{
	struct vm_map *map = make(PERF, 4, 4, CPUS);
	uint64_t state = 8, fit = (uint64_t)sysconf(_SC_PAGESIZE) / 40;
	struct p2b_batch batch = { 0 };
	struct p2b_reader *reader;
	uint64_t numbers[20], taken = 0, sent = 0;

	CHECK(vm_queue_read(map, 1, 1, &reader) == 0);
	for (int round = 0; round < 5000; round++) {
		if (sent - taken < fit && random_u64(&state) % 8) {
			uint64_t data[2] = { sent++, 0 };

			CHECK(vm_map_emit(map, (uint32_t)(random_u64(&state) % CPUS), data, sizeof(data)) == 0);
			continue;
		}
		for (uint64_t i = 0, n = take(reader, &batch, numbers, 1 + random_u64(&state) % 20, 8); i < n; i++)
			CHECK(numbers[i] == taken++);
	}
	CHECK(taken > 1000);
	vm_map_destroy(map);
	p2b_reader_destroy(reader);
}

static void ring(void)
{
	struct p2b_reader *reader;
	uint32_t size = (uint32_t)sysconf(_SC_PAGESIZE), sizes[64];
	struct vm_map *map = make(RING, 0, 0, size);
	uint8_t *out = malloc(64 * 256), *record, *other;
	struct p2b_batch batch = { .sizes = sizes };
	struct p2b_ring_stats stats;
	uint64_t state = 5, sent = 0, taken = 0;

	CHECK(vm_queue_read(map, 0, 0, &reader) == 0);
	record = vm_ring_reserve(map, 100);
	other = vm_ring_reserve(map, 8);
	CHECK(record && other && vm_map_emit(map, 0, out, 0) == 0 && !vm_ring_reserve(map, size));
	CHECK(vm_ring_query(map, 1) == size && vm_ring_query(map, 3) == 112 + 16 + 8 && vm_ring_query(map, 9) == 0);
	vm_ring_submit(map, other, 0);
	CHECK(take(reader, &batch, out, 9, 8) == 0);
	vm_ring_submit(map, record, 1);
	CHECK(take(reader, &batch, out, 9, 8) == 1 && batch.refused == 1 && p2b_reader_wait(reader, 0) == 0);
	for (int i = 0; i < 5000; i++) {
		uint32_t length = (uint32_t)(random_u64(&state) >> 56);

		record = vm_ring_reserve(map, length);
		if (record) {
			CHECK(record >= map->arena && record + length <= map->arena + map->arena_size);
			memset(record, (int)(sent & 255), length);
			vm_ring_submit(map, record, 0);
			sent++;
		}
		if (record && random_u64(&state) >> 61)
			continue;
		while (taken != sent) {
			batch = (struct p2b_batch){ .out = out, .cap = 64, .size = 256, .sizes = sizes };
			CHECK(p2b_reader_take(reader, &batch) == 0 && batch.n);
			for (uint64_t k = 0; k < batch.n; k++, taken++)
				for (uint32_t j = 0; j < 256; j++)
					CHECK(out[256 * k + j] == (j < sizes[k] ? (taken & 255) : 0));
		}
	}
	CHECK(p2b_reader_stats(reader, &stats) == 0 && stats.lost > 0 && stats.records > taken);
	CHECK(p2b_reader_cpu_stats(reader, 0, &stats) == -ENOENT);
	free(out);
	vm_map_destroy(map);
	p2b_reader_destroy(reader);
}

/* Whatever a program hands over: every operation on every kind. */
static void every_operation(void)
{
	static const uint32_t kinds[] = { HASH, ARRAY, PERF, PERCPU_HASH, PERCPU_ARRAY, LRU, LRU_PERCPU, LPM, QUEUE, STACK };
	uint8_t bytes[256];

	for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int list = kinds[i] == QUEUE || kinds[i] == STACK;
		struct vm_map *map = make(kinds[i], list ? 0 : kinds[i] == LPM ? 8 : 4, 4, 3);

		memset(bytes, 0xff, sizeof(bytes));
		vm_map_put(map, bytes, bytes + 64, 0, 0);
		vm_map_find(map, bytes, 0);
		vm_map_del(map, bytes);
		vm_map_push(map, bytes, 0);
		vm_map_peek(map, bytes + 64);
		vm_map_pop(map, bytes + 64);
		vm_map_emit(map, 0, bytes, 8);
		CHECK(!vm_ring_reserve(map, 8) && vm_ring_query(map, 0) == 0 && !vm_map_prog(map, 0));
		vm_map_take(map, bytes, bytes + 64);
		vm_map_next_key(map, bytes, bytes + 64);
		vm_map_walk(map, bytes, bytes + 64, 3, P2B_WALK_DELETE);
		vm_map_destroy(map);
	}
}

void check_vmmaps(void)
{
	CHECK(p2b_vm_create(CPUS, &vm) == 0);
	refusals();
	hash_model(HASH);
	hash_pointers();
	per_cpu(PERCPU_HASH);
	per_cpu(PERCPU_ARRAY);
	per_cpu(LRU_PERCPU);
	lru();
	array();
	array_elsewhere();
	lpm();
	lists();
	perf();
	perf_in_order();
	ring();
	every_operation();
	p2b_vm_destroy(vm);
}
