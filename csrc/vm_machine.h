/* The embedded VM's machine as its own files see it. */
#ifndef P2B_VM_MACHINE_H
#define P2B_VM_MACHINE_H

#include <pthread.h>

#include "vm.h"

enum { VM_CPUS_MAX = 4096 };

/* What programs printed: lines, each with its newline. Full at VM_TRACE_MAX: then lines are counted, not kept. */
struct vm_trace {
	char *text;
	size_t used, room;
	uint64_t lost;
};

struct p2b_vm {
	pthread_mutex_t lock;
	uint32_t refs;
	uint32_t n_cpus, cpu;
	int fixed_clock;        /* clock is what every clock shows */
	uint64_t clock;
	uint64_t random;        /* never 0 */
	struct vm_trace trace;
	uint8_t *packet;        /* the buffer of the packet that a program runs on */
};

uint64_t vm_clock(struct p2b_vm *vm, int clock);

#endif
