/*
 * Fills and reads hash maps of u32 to u64 with libbpf's batch calls, as often as it is told to:
 *
 *   map_batch ENTRIES        commands on stdin, a line of nanoseconds (processor time) on stdout for each
 *     fill                   all entries into a new map by one bpf_map_update_batch()
 *     read ID                all entries of a full map by one bpf_map_lookup_batch()
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

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long fill(struct table *t)
{
	__u32 count = t->entries;
	long long begin, end;
	int fd;

	for (__u32 i = 0; i < t->entries; i++) {
		t->keys[i] = i;
		t->values[i] = 3ULL * i;
	}
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "peer", sizeof(__u32), sizeof(__u64), t->entries, NULL);
	if (fd < 0)
		fail("map");
	begin = now();
	if (bpf_map_update_batch(fd, t->keys, t->values, &count, NULL) || count != t->entries)
		fail("update_batch");
	end = now();
	close(fd);
	return end - begin;
}

static long long read_all(struct table *t, __u32 id)
{
	__u32 position, count = t->entries + SPARE;
	int fd = bpf_map_get_fd_by_id(id);
	long long begin, end;
	__u64 sum = 0;

	if (fd < 0)
		fail("map");
	begin = now();
	if (!bpf_map_lookup_batch(fd, NULL, &position, t->keys, t->values, &count, NULL) || errno != ENOENT)
		fail("lookup_batch");   /* it ends with ENOENT */
	end = now();
	close(fd);
	for (__u32 i = 0; i < count; i++)
		sum += t->values[i] - 3ULL * t->keys[i] + t->keys[i];
	if (count != t->entries || sum != (__u64)t->entries * (t->entries - 1) / 2)
		fail("wrong entries");
	return end - begin;
}

int main(int argc, char **argv)
{
	struct table t = { .entries = argc > 1 ? (__u32)strtoul(argv[1], NULL, 0) : 0 };
	char line[64];
	unsigned int id;

	t.keys = calloc(t.entries + SPARE, sizeof(*t.keys));
	t.values = calloc(t.entries + SPARE, sizeof(*t.values));
	if (!t.entries || !t.keys || !t.values)
		fail("map_batch ENTRIES");
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "fill\n")) {
			printf("%lld\n", fill(&t));
		} else if (sscanf(line, "read %u", &id) == 1) {
			printf("%lld\n", read_all(&t, id));
		} else {
			errno = EINVAL;
			fail(line);
		}
		fflush(stdout);
	}
	return 0;
}
