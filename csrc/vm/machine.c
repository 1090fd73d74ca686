/* The embedded VM's machine: its lock, clock, random numbers, and its life. */
#include <time.h>

#include "vm/machine.h"

static void init_idle(struct p2b_vm *vm)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&vm->ending, NULL);
	pthread_cond_init(&vm->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int p2b_vm_create(uint32_t n_cpus, struct p2b_vm **ret)
{
	struct p2b_vm *vm;

	if (n_cpus == 0 || n_cpus > VM_CPUS_MAX)
		return -EINVAL;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	pthread_mutex_init(&vm->lock, NULL);
	init_idle(vm);
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
	pthread_cond_destroy(&vm->idle);
	pthread_mutex_destroy(&vm->ending);
	pthread_mutex_destroy(&vm->lock);
	free(vm->trace.text);
	free(vm->packet);
	free(vm);
}

void vm_lock(struct p2b_vm *vm)
{
	if (pthread_mutex_trylock(&vm->lock) == 0)
		return;
	__atomic_add_fetch(&vm->waiting, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&vm->lock);
	__atomic_sub_fetch(&vm->waiting, 1, __ATOMIC_RELAXED);
}

void vm_unlock(struct p2b_vm *vm)
{
	pthread_mutex_unlock(&vm->lock);
}

/*
 * Waits without the lock until a run ends, for a period at most. The condition has a mutex of its own, so that
 * vm_lock() takes the lock again: the running thread yields only to threads that vm_lock() counts.
 */
static void wait_a_period(struct p2b_vm *vm)
{
	uint64_t ended = vm->ended;
	struct timespec end;

	vm_unlock(vm);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += VM_PERIOD;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	pthread_mutex_lock(&vm->ending);
	while (vm->ended == ended && pthread_cond_timedwait(&vm->idle, &vm->ending, &end) == 0)
		;
	pthread_mutex_unlock(&vm->ending);
	vm_lock(vm);
}

int vm_enter(struct p2b_vm *vm, int (*pause)(void))
{
	if (vm->busy && pthread_equal(vm->runner, pthread_self()))
		return -EDEADLK;
	while (vm->busy) {
		int stop;

		wait_a_period(vm);
		if (!vm->busy || !pause)
			continue;
		vm_unlock(vm);
		stop = pause();
		vm_lock(vm);
		if (stop)
			return -EINTR;
	}
	vm->busy = 1;
	vm->runner = pthread_self();
	return 0;
}

void vm_leave(struct p2b_vm *vm)
{
	vm->busy = 0;
	pthread_mutex_lock(&vm->ending);
	vm->ended++;
	pthread_cond_signal(&vm->idle);
	pthread_mutex_unlock(&vm->ending);
}

/* A mutex isn't fair: a thread that opens it and takes it at once gets it again. So wait until somebody else had it. */
void vm_unlock_fairly(struct p2b_vm *vm)
{
	static const struct timespec moment = { .tv_nsec = 20000 };

	vm_unlock(vm);
	for (int i = 0; i < 100 && __atomic_load_n(&vm->waiting, __ATOMIC_RELAXED); i++)
		nanosleep(&moment, NULL);
	vm_lock(vm);
}

void p2b_vm_forked(struct p2b_vm *vm)
{
	vm->waiting = 0;
	init_idle(vm);
	if (!pthread_equal(vm->runner, pthread_self()))
		vm->busy = 0;
	vm_unlock(vm);
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

/* xorshift64*, of which only the upper half is random enough. */
uint32_t vm_random(struct p2b_vm *vm)
{
	vm->random ^= vm->random >> 12;
	vm->random ^= vm->random << 25;
	vm->random ^= vm->random >> 27;
	return (uint32_t)((vm->random * 0x2545f4914f6cdd1dull) >> 32);
}

int p2b_vm_set(struct p2b_vm *vm, uint32_t setting, uint64_t value)
{
	int err;

	vm_lock(vm);
	err = vm_enter(vm, NULL);
	if (err) {
		vm_unlock(vm);
		return err;
	}
	if (setting == P2B_VM_CPU && value < vm->n_cpus)
		vm->cpu = (uint32_t)value;
	else if (setting == P2B_VM_SEED)
		vm->random = value * 2 + 1; /* never 0 */
	else if (setting == P2B_VM_CLOCK || setting == P2B_VM_RUN_CLOCK)
		vm->fixed_clock = setting == P2B_VM_CLOCK;
	else if (setting != P2B_VM_IDLE)
		err = -EINVAL;
	if (setting == P2B_VM_CLOCK)
		vm->clock = value;
	vm_leave(vm);
	vm_unlock(vm);
	return err;
}
