/* The embedded VM's machine: its lock, clock, random numbers, and its life. */
#include <time.h>

#include "vm_machine.h"

int p2b_vm_create(uint32_t n_cpus, struct p2b_vm **ret)
{
	struct p2b_vm *vm;

	if (n_cpus == 0 || n_cpus > VM_CPUS_MAX)
		return -EINVAL;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	pthread_mutex_init(&vm->lock, NULL);
	vm->refs = 1;
	vm->n_cpus = n_cpus;
	vm->random = (uint64_t)time(NULL) * 2 + 1;
	*ret = vm;
	return 0;
}

void p2b_vm_destroy(struct p2b_vm *vm)
{
	if (vm)
		vm_release(vm);
}

void vm_hold(struct p2b_vm *vm)
{
	__atomic_add_fetch(&vm->refs, 1, __ATOMIC_RELAXED);
}

void vm_release(struct p2b_vm *vm)
{
	if (__atomic_sub_fetch(&vm->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&vm->lock);
	free(vm->trace.text);
	free(vm->packet);
	free(vm);
}

void vm_lock(struct p2b_vm *vm)
{
	pthread_mutex_lock(&vm->lock);
}

void vm_unlock(struct p2b_vm *vm)
{
	pthread_mutex_unlock(&vm->lock);
}

uint64_t vm_clock(struct p2b_vm *vm, int clock)
{
	struct timespec now;

	if (vm->fixed_clock)
		return vm->clock;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t vm_now(struct p2b_vm *vm)
{
	return vm_clock(vm, CLOCK_MONOTONIC);
}

/* xorshift64*, of which the upper half is good. */
uint32_t vm_random(struct p2b_vm *vm)
{
	vm->random ^= vm->random >> 12;
	vm->random ^= vm->random << 25;
	vm->random ^= vm->random >> 27;
	return (uint32_t)((vm->random * 0x2545f4914f6cdd1dull) >> 32);
}

int p2b_vm_set(struct p2b_vm *vm, uint32_t setting, uint64_t value)
{
	int err = 0;

	vm_lock(vm);
	if (setting == P2B_VM_CPU && value < vm->n_cpus)
		vm->cpu = (uint32_t)value;
	else if (setting == P2B_VM_SEED)
		vm->random = value * 2 + 1; /* never 0 */
	else if (setting == P2B_VM_CLOCK || setting == P2B_VM_RUN_CLOCK)
		vm->fixed_clock = setting == P2B_VM_CLOCK;
	else
		err = -EINVAL;
	if (setting == P2B_VM_CLOCK)
		vm->clock = value;
	vm_unlock(vm);
	return err;
}
