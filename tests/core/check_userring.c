/* User ring buffers: a ring in a file that stands for the kernel's, and that of the embedded VM, against a queue. */
#define _GNU_SOURCE
#include "check.h"
#include "sys/user_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include "vm/map/map.h"

enum { SIZE = 1 << 16, LONGEST = 300, WAITING = SIZE / 16, USER_RINGBUF = 31 };

/* What was sent and not taken yet. */
static struct model {
	uint32_t size[WAITING];
	uint8_t first[WAITING];
	uint32_t begin, n;
	uint64_t room;
} model;

static uint64_t length(uint64_t size)
{
	return 8 + ((size + 7) & ~7ull);
}

static void sent(uint32_t size, uint8_t first)
{
	uint32_t at = (model.begin + model.n++) % WAITING;

	model.size[at] = size;
	model.first[at] = first;
	model.room += length(size);
}

static void check_record(const uint8_t *data, int64_t size, uint32_t which)
{
	uint32_t at = (model.begin + which) % WAITING;

	CHECK(which < model.n && size == model.size[at]);
	for (int64_t i = 0; i < size; i++)
		CHECK(data[i] == (uint8_t)(model.first[at] + i));
}

static void took(void)
{
	model.room -= length(model.size[model.begin]);
	model.begin = (model.begin + 1) % WAITING;
	model.n--;
}

static const uint8_t *record_of(uint32_t size, uint8_t first)
{
	static uint8_t record[LONGEST];

	for (uint32_t i = 0; i < size; i++)
		record[i] = (uint8_t)(first + i);
	return record;
}

/* The kernel's side of the ring in the file. */
static void take_as_kernel(uint64_t *consumer, const uint64_t *producer, const uint8_t *data)
{
	while (*consumer != *producer) {
		const uint8_t *record = data + (*consumer & (SIZE - 1));
		uint32_t header;

		memcpy(&header, record, sizeof(header));
		*consumer += length(header & ~(1u << 30));
		if (header & 1u << 30)
			continue;
		check_record(record + 8, header, 0);
		took();
		return;
	}
	CHECK(!model.n);
}

static void in_a_file(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = 2 * page + 2 * SIZE;
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint64_t seed = 5, position, taken = 0, full = 0;
	struct p2b_user_ring *ring;
	uint8_t out[LONGEST], *mem;

	CHECK(fd >= 0 && ftruncate(fd, (off_t)whole) == 0);
	mem = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	CHECK(p2b_user_ring_create(fd, SIZE - 1, &ring) == -EINVAL && !ring);
	CHECK(p2b_user_ring_create(fd, SIZE, &ring) == 0);
	model = (struct model){ 0 };
	CHECK(p2b_user_ring_send(ring, out, 0) == -E2BIG && p2b_user_ring_send(ring, out, SIZE) == -E2BIG);
	for (int i = 0; i < 30000; i++) {
		uint32_t size = 1 + (uint32_t)(random_u64(&seed) % (LONGEST - 1));
		uint8_t first = (uint8_t)random_u64(&seed);
		int64_t n;

		if (random_u64(&seed) % 8 < 5) {
			uint64_t waiting = p2b_user_ring_waiting(ring);
			int err = p2b_user_ring_send(ring, record_of(size, first), size);

			CHECK(err == (waiting + length(size) > SIZE ? -ENOSPC : 0));
			full += err != 0;
			if (!err)
				sent(size, first);
			continue;
		}
		if (random_u64(&seed) % 2) {
			take_as_kernel((uint64_t *)(void *)mem, (const uint64_t *)(const void *)(mem + page), mem + 2 * page);
			continue;
		}
		position = UINT64_MAX;
		for (uint32_t which = 0; which < 3; which++) {
			n = p2b_user_ring_peek(ring, &position, out, sizeof(out), 0);
			CHECK(!n == (which >= model.n));
			if (n)
				check_record(out, n, which);
		}
		position = UINT64_MAX;
		if (model.n)
			CHECK(p2b_user_ring_peek(ring, &position, out, 0, 1) == -ENOSPC);
		n = p2b_user_ring_peek(ring, &position, out, sizeof(out), 1);
		CHECK(!n == !model.n);
		if (n) {
			check_record(out, n, 0);
			took();
			taken++;
		}
	}
	CHECK(full > 100 && taken > 1000);
	CHECK(p2b_user_ring_wait(ring, 8, 0) >= 0);
	p2b_user_ring_cancel(ring);
	CHECK(p2b_user_ring_wait(ring, 8, -1) == -ECANCELED);
	p2b_user_ring_destroy(ring);
	p2b_user_ring_destroy(NULL);
	CHECK(munmap(mem, whole) == 0 && close(fd) == 0);
}

static void in_the_vm(void)
{
	const struct p2b_vm_map_spec spec = { .kind = USER_RINGBUF, .max_entries = SIZE, .n_cpus = 1 };
	const struct p2b_vm_map_spec odd = { .kind = USER_RINGBUF, .max_entries = SIZE + 4096, .n_cpus = 1 };
	uint64_t seed = 9, position, full = 0;
	uint8_t out[LONGEST];
	struct p2b_vm *vm;
	struct vm_map *map;

	CHECK(p2b_vm_create(1, &vm) == 0);
	CHECK(vm_map_create(vm, &odd, &map) == -EINVAL);
	CHECK(vm_map_create(vm, &spec, &map) == 0);
	model = (struct model){ 0 };
	for (int i = 0; i < 30000; i++) {
		uint32_t size = 1 + (uint32_t)(random_u64(&seed) % (LONGEST - 1)), next;
		uint8_t first = (uint8_t)random_u64(&seed);
		int64_t n;

		if (random_u64(&seed) % 8 < 5) {
			uint64_t waiting = vm_user_ring_waiting(map);
			int err = vm_user_ring_send(map, record_of(size, first), size);

			CHECK(err == (waiting + length(size) > SIZE ? -ENOSPC : 0));
			full += err != 0;
			if (!err)
				sent(size, first);
			continue;
		}
		if (random_u64(&seed) % 2) {
			next = vm_user_ring_next(map);
			CHECK(!next == !model.n);
			if (next) {
				vm_user_ring_read(map, 0, out, next);
				check_record(out, next, 0);
				vm_user_ring_drop(map, next);
				took();
			}
			continue;
		}
		position = UINT64_MAX;
		n = vm_user_ring_peek(map, &position, out, sizeof(out), 0);
		CHECK(!n == !model.n);
		if (n)
			check_record(out, n, 0);
		n = vm_user_ring_peek(map, &position, out, sizeof(out), 0);
		CHECK(!n == (model.n < 2));
		if (n)
			check_record(out, n, 1);
		position = UINT64_MAX;
		n = vm_user_ring_peek(map, &position, out, sizeof(out), 1);
		if (n)
			took();
	}
	CHECK(full > 100);
	vm_map_destroy(map);
	p2b_vm_destroy(vm);
}

void check_userring(void)
{
	in_a_file();
	in_the_vm();
}
