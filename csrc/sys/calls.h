/* System calls that the files of this folder share. */
#ifndef P2B_CALLS_H
#define P2B_CALLS_H

#include "common/core.h"

/* bpf(2) and perf_event_open(2). */
int p2b_bpf(int cmd, void *attr, uint32_t size);
int p2b_perf_event_open(void *attr, int pid, int cpu, int group_fd, uint64_t flags);

/* A command on one element of the map behind a descriptor; p2b_map_lookup() and its neighbours take a handle. */
int p2b_element(int cmd, int fd, const void *key, const void *value, uint64_t flags);

#endif
