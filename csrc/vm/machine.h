/* The embedded VM's machine as its own files see it. */
#ifndef P2B_VM_MACHINE_H
#define P2B_VM_MACHINE_H

#include <pthread.h>

#include "vm/vm.h"

enum { VM_CPUS_MAX = 4096, VM_PERIOD = 10 * 1000 * 1000 /* nanoseconds between pauses */ };

/* What programs printed: lines with their newlines. Beyond VM_TRACE_MAX bytes, lines are only counted. */
struct vm_trace {
	char *text;
	size_t used, room;
	uint64_t lost;
};

struct p2b_vm {
	pthread_mutex_t lock;
	uint32_t waiting;       /* threads that want the lock; atomic */
	pthread_mutex_t ending; /* taken under the lock or without it */
	pthread_cond_t idle;    /* with ending: ended has changed */
	uint64_t ended;         /* runs; changed under both */
	int busy;               /* runner runs a program, or pauses in one */
	pthread_t runner;
	uint32_t refs;
	uint32_t n_cpus, cpu;
	int fixed_clock;        /* clock is what every clock shows */
	uint64_t clock;
	uint64_t random;        /* never 0 */
	struct vm_trace trace;
	uint8_t *packet;        /* the buffer of the packet that a program runs on */
};

uint64_t vm_clock(struct p2b_vm *vm, int clock);

/*
 * Reserves the machine for a program of this thread, after waiting for other threads' programs. Call it with the lock
 * held. -EDEADLK if this thread runs a program already; -EINTR if pause (may be NULL), which is called now and then,
 * returns other than 0.
 */
int vm_enter(struct p2b_vm *vm, int (*pause)(void));
void vm_leave(struct p2b_vm *vm);

/* Opens the lock for threads that wait for it, and takes it again after them. */
void vm_unlock_fairly(struct p2b_vm *vm);

/* Appends a line to what programs printed. */
void vm_trace_line(struct p2b_vm *vm, const char *text, uint64_t size);

#endif
