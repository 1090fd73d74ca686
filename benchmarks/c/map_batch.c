/*
 * Fills and reads a hash map of u32 to u64 with libbpf's batch calls, as often as it is told to:
 *
 *   map_batch ENTRIES        commands on stdin, a line of nanoseconds on stdout for each
 *     fill                   all entries into a new map by one bpf_map_update_batch()
 *     read CHUNK             all entries of that map by bpf_map_lookup_batch(), at most CHUNK at a time
 *
 * What was read is checked: entry i is 3 * i.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

enum { SPARE = 1024 };  /* a hash bucket is handed out whole */

struct table {
	int fd;
	__u32 entries;
	__u32 *keys;
	__u64 *values;
};

static void fail(const char *what)
{
	fprintf(stderr, "map_batch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long fill(struct table *t)
{
	__u32 count = t->entries;
	long long begin;

	for (__u32 i = 0; i < t->entries; i++) {
		t->keys[i] = i;
		t->values[i] = 3ULL * i;
	}
	if (t->fd >= 0)
		close(t->fd);
	t->fd = bpf_map_create(BPF_MAP_TYPE_HASH, "peer", sizeof(__u32), sizeof(__u64), t->entries, NULL);
	if (t->fd < 0)
		fail("map");
	begin = now();
	if (bpf_map_update_batch(t->fd, t->keys, t->values, &count, NULL) || count != t->entries)
		fail("update_batch");
	return now() - begin;
}

static long long read_all(struct table *t, __u32 chunk)
{
	__u32 position, done = 0, room = t->entries + SPARE;
	long long begin = now(), end;
	__u64 sum = 0;

	for (int err = 0; !err;) {
		__u32 count = chunk < room - done ? chunk : room - done;

		err = bpf_map_lookup_batch(t->fd, done ? &position : NULL, &position, t->keys + done, t->values + done,
					   &count, NULL);
		if (err && errno != ENOENT)
			fail("lookup_batch");
		done += count;
	}
	end = now();
	for (__u32 i = 0; i < done; i++)
		sum += t->values[i] - 3ULL * t->keys[i] + t->keys[i];
	if (done != t->entries || sum != (__u64)t->entries * (t->entries - 1) / 2)
		fail("wrong entries");
	return end - begin;
}

int main(int argc, char **argv)
{
	struct table t = { .fd = -1, .entries = argc > 1 ? (__u32)strtoul(argv[1], NULL, 0) : 0 };
	char line[64];
	unsigned int chunk;

	t.keys = calloc(t.entries + SPARE, sizeof(*t.keys));
	t.values = calloc(t.entries + SPARE, sizeof(*t.values));
	if (!t.entries || !t.keys || !t.values)
		fail("map_batch ENTRIES");
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "fill\n")) {
			printf("%lld\n", fill(&t));
		} else if (sscanf(line, "read %u", &chunk) == 1 && chunk) {
			printf("%lld\n", read_all(&t, chunk));
		} else {
			errno = EINVAL;
			fail(line);
		}
		fflush(stdout);
	}
	return 0;
}
