/*
 * Runs a compiled BPF object with libbpf, a result as JSON on stdout:
 *
 *   peer load OBJECT ROUNDS                             ns of opening and loading the object, for each round
 *   peer run OBJECT PROGRAM FRAME REPEAT [MAP KEY VALUE]...  one run to check (hex in and out), then a timed one
 *   peer live OBJECT COUNT                              attach, sleep, or open files where the object writes to a ring
 *                                                       buffer, COUNT times; the kernel's own statistics
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user.h"

#define MAX_FRAME 2048
#define MAX_ENTRY 64
#define EVENT_PAGES 1024

static size_t from_hex(const char *text, unsigned char *out, size_t room)
{
	size_t n = strlen(text) / 2;

	if (n > room) {
		errno = E2BIG;
		fail(text);
	}
	for (size_t i = 0; i < n; i++)
		if (sscanf(text + 2 * i, "%2hhx", &out[i]) != 1) {
			errno = EINVAL;
			fail(text);
		}
	return n;
}

static void print_hex(const unsigned char *bytes, size_t n)
{
	putchar('"');
	for (size_t i = 0; i < n; i++)
		printf("%02x", bytes[i]);
	putchar('"');
}

static struct bpf_object *load(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);

	if (!object || bpf_object__load(object))
		fail(path);
	return object;
}

static void time_loads(const char *path, int rounds)
{
	printf("{\"ns\": [");
	for (int i = 0; i < rounds; i++) {
		long long begin = now();
		struct bpf_object *object = load(path);

		printf("%s%lld", i ? ", " : "", now() - begin);
		bpf_object__close(object);
	}
	printf("]}\n");
}

static void fill_maps(struct bpf_object *object, char **entries)
{
	for (; entries[0] && entries[1] && entries[2]; entries += 3) {
		unsigned char key[MAX_ENTRY], value[MAX_ENTRY];
		int fd = bpf_object__find_map_fd_by_name(object, entries[0]);

		from_hex(entries[1], key, sizeof(key));
		from_hex(entries[2], value, sizeof(value));
		if (fd < 0 || bpf_map_update_elem(fd, key, value, BPF_ANY))
			fail(entries[0]);
	}
}

static void print_map(struct bpf_map *map)
{
	unsigned char key[MAX_ENTRY], value[MAX_ENTRY];
	const char *separator = "";
	void *previous = NULL;
	int fd = bpf_map__fd(map);

	printf("\"%s\": {", bpf_map__name(map));
	for (; !bpf_map_get_next_key(fd, previous, key); previous = key) {
		if (bpf_map_lookup_elem(fd, key, value))
			fail(bpf_map__name(map));
		printf("%s", separator);
		print_hex(key, bpf_map__key_size(map));
		printf(": ");
		print_hex(value, bpf_map__value_size(map));
		separator = ", ";
	}
	printf("}");
}

static void print_maps(struct bpf_object *object)
{
	const char *separator = "";
	struct bpf_map *map;

	printf("\"maps\": {");
	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
			continue;
		printf("%s", separator);
		print_map(map);
		separator = ", ";
	}
	printf("}");
}

static void run(char **argv)
{
	unsigned char frame[MAX_FRAME];
	struct bpf_object *object = load(argv[2]);
	struct bpf_program *program = bpf_object__find_program_by_name(object, argv[3]);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .repeat = 1);

	if (!program)
		fail(argv[3]);
	options.data_size_in = from_hex(argv[4], frame, sizeof(frame));
	fill_maps(object, argv + 6);
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &options))
		fail("BPF_PROG_TEST_RUN");
	printf("{\"insns\": %zu, \"retval\": %u, ", bpf_program__insn_cnt(program), options.retval);
	print_maps(object);
	options.repeat = atoi(argv[5]);
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &options))
		fail("BPF_PROG_TEST_RUN");
	printf(", \"ns\": %u}\n", options.duration);
	bpf_object__close(object);
}

static void on_event(void *events, int cpu, void *data, __u32 size)
{
	(void)cpu, (void)data, (void)size;
	++*(unsigned long *)events;
}

static int on_record(void *events, void *data, size_t size)
{
	(void)data, (void)size;
	++*(unsigned long *)events;
	return 0;
}

static void live(const char *path, int count)
{
	unsigned long events = 0;
	struct bpf_prog_info info = {};
	struct bpf_object *object = load(path);
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	struct bpf_map *map = bpf_object__next_map(object, NULL);
	int rings = bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF;
	struct ring_buffer *ring = rings ? ring_buffer__new(bpf_map__fd(map), on_record, &events, NULL) : NULL;
	struct perf_buffer *buffer =
		rings ? NULL : perf_buffer__new(bpf_map__fd(map), EVENT_PAGES, on_event, NULL, &events, NULL);
	__u32 size = sizeof(info);

	if ((!buffer && !ring) || !bpf_program__attach(program) || bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		fail("attach");
	for (int i = 0; i < count; i++) {
		if (rings && open("/nonexistent", O_RDONLY) >= 0)
			fail("/nonexistent is there");
		if (!rings)
			usleep(0);
		if (i % 1000 == 999 || i == count - 1)
			rings ? ring_buffer__consume(ring) : perf_buffer__consume(buffer);
	}
	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		fail("info");
	printf("{\"insns\": %zu, \"ns\": %.1f, \"runs\": %llu, \"events\": %lu}\n", bpf_program__insn_cnt(program),
	       info.run_cnt ? (double)info.run_time_ns / info.run_cnt : 0.0, (unsigned long long)info.run_cnt, events);
}

int main(int argc, char **argv)
{
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL & ~LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK);
	libbpf_set_print(print_warnings);
	if (argc == 4 && !strcmp(argv[1], "load"))
		time_loads(argv[2], atoi(argv[3]));
	else if (argc >= 6 && !strcmp(argv[1], "run"))
		run(argv);
	else if (argc == 4 && !strcmp(argv[1], "live"))
		live(argv[2], atoi(argv[3]));
	else
		return fprintf(stderr, "usage: see the head of peer.c\n"), 2;
	return 0;
}
