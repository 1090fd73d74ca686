/*
 * Reads events with libbpf's callbacks; OBJECT is drain.bpf.c. Commands come from stdin, each is answered in one line:
 *
 *   burst PROGRAM COUNT           makes COUNT events, then takes them
 *   sustained PROGRAM SECONDS CPU takes them for so long while a thread on that processor makes them
 *
 * An answer is {"events": taken, "sum": of the values, "ns": it took, "made": events, "lost": of them, "first": the
 * number of the first}.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user.h"

#define PERF_PAGES 16384
#define AT_ONCE 50000

struct event {
	unsigned long long number, value;
};

struct totals {
	unsigned long long made, lost;
};

struct maker {
	const char *program;
	int cpu;
	volatile int stop;
};

static struct bpf_object *object;
static struct ring_buffer *ring;
static struct perf_buffer *perf;
static unsigned long long events, sum;

static int on_ring(void *context, void *data, size_t size)
{
	(void)context;
	(void)size;
	sum += ((const struct event *)data)->value;
	events++;
	return 0;
}

static void on_perf(void *context, int cpu, void *data, __u32 size)
{
	(void)cpu;
	on_ring(context, data, size);
}

static void make(const char *program, int count)
{
	static char frame[64];
	struct bpf_program *found = bpf_object__find_program_by_name(object, program);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame), .repeat = count);

	if (!found || bpf_prog_test_run_opts(bpf_program__fd(found), &options))
		fail(program);
}

static struct totals totals(void)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".bss");
	struct totals found;
	__u32 zero = 0;

	if (!map || bpf_map__value_size(map) != sizeof(found) || bpf_map_lookup_elem(bpf_map__fd(map), &zero, &found))
		fail("totals");
	return found;
}

static void take(const char *program)
{
	int n = program[0] == 'r' ? ring_buffer__consume(ring) : perf_buffer__consume(perf);

	if (n < 0)
		fail("consume");
}

static void answer(long long ns, struct totals before)
{
	struct totals after = totals();

	printf("{\"events\": %llu, \"sum\": %llu, \"ns\": %lld, \"made\": %llu, \"lost\": %llu, \"first\": %llu}\n", events,
	       sum, ns, after.made - before.made, after.lost - before.lost, before.made);
	fflush(stdout);
}

static void burst(const char *program, int count)
{
	struct totals before = totals();
	long long begin;

	events = sum = 0;
	make(program, count);
	begin = now();
	take(program);
	answer(now() - begin, before);
}

static void *keep_making(void *argument)
{
	struct maker *maker = argument;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(maker->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("affinity");
	while (!maker->stop)
		make(maker->program, AT_ONCE);
	return NULL;
}

static void sustained(const char *program, double seconds, int cpu)
{
	struct totals before = totals();
	struct maker maker = { program, cpu, 0 };
	long long begin = now();
	pthread_t thread;

	events = sum = 0;
	if (pthread_create(&thread, NULL, keep_making, &maker))
		fail("thread");
	while (now() - begin < seconds * 1e9)
		take(program);
	maker.stop = 1;
	/* Take the events too that were written before the thread saw the flag, or they would count as lost. */
	while (pthread_tryjoin_np(thread, NULL))
		take(program);
	take(program);
	answer(now() - begin, before);
}

int main(int argc, char **argv)
{
	char line[128], program[32];
	double amount;
	int cpu;

	if (argc != 2)
		return 2;
	libbpf_set_print(print_warnings);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object))
		fail(argv[1]);
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"), on_ring, NULL, NULL);
	perf = perf_buffer__new(bpf_object__find_map_fd_by_name(object, "perf"), PERF_PAGES, on_perf, NULL, NULL, NULL);
	if (!ring || !perf)
		fail("buffers");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "burst %31s %lf", program, &amount) == 2)
			burst(program, (int)amount);
		else if (sscanf(line, "sustained %31s %lf %d", program, &amount, &cpu) == 3)
			sustained(program, amount, cpu);
		else
			fail(line);
	}
	return 0;
}
