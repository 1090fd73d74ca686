/* Maps of the embedded VM: making them, and what programs do with any kind. */
#include <sys/mman.h>

#include "vmmap.h"

enum { MAPPED_FROM = 1 << 18 };

static const struct {
	uint32_t kind;
	int per_cpu;
	const struct vm_map_ops *ops;
} kinds[] = {
	{ VM_HASH, 0, &vm_hash_ops },
	{ VM_ARRAY, 0, &vm_array_ops },
	{ VM_PROG_ARRAY, 0, &vm_progs_ops },
	{ VM_PERF_EVENT_ARRAY, 0, &vm_perf_ops },
	{ VM_PERCPU_HASH, 1, &vm_hash_ops },
	{ VM_PERCPU_ARRAY, 1, &vm_array_ops },
	{ VM_STACK_TRACE, 0, &vm_stacks_ops },
	{ VM_LRU_HASH, 0, &vm_lru_ops },
	{ VM_LRU_PERCPU_HASH, 1, &vm_lru_ops },
	{ VM_LPM_TRIE, 0, &vm_lpm_ops },
	{ VM_QUEUE, 0, &vm_list_ops },
	{ VM_STACK, 0, &vm_list_ops },
	{ VM_RINGBUF, 0, &vm_ring_ops },
	{ VM_USER_RINGBUF, 0, &vm_user_ring_ops },
};

/* Small pieces by calloc, where sanitizers watch their ends; large ones by mmap, which commits nothing at once. */
void *vm_take_memory(size_t size)
{
	void *memory;

	if (size < MAPPED_FROM)
		return calloc(1, size ? size : 1);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void vm_give_back(void *memory, size_t size)
{
	if (size < MAPPED_FROM)
		free(memory);
	else if (memory)
		munmap(memory, size);
}

int vm_make_arena(struct vm_map *map, uint64_t count)
{
	size_t size;

	if (__builtin_mul_overflow(count, map->private->element, &size))
		return -E2BIG;
	map->arena_size = size;
	if (map->arena)
		return 0;
	map->arena = vm_take_memory(size);
	return map->arena ? 0 : -ENOMEM;
}

/* From one value to the next. */
static uint64_t stride_of(uint32_t value_size)
{
	uint64_t stride = 1;

	while (stride < (((uint64_t)value_size + 7) & ~(uint64_t)7) + VM_GAP)
		stride *= 2;
	return stride;
}

uint64_t p2b_vm_array_size(uint32_t value_size, uint32_t max_entries)
{
	uint64_t size;

	return __builtin_mul_overflow(stride_of(value_size), (uint64_t)max_entries, &size) ? 0 : size;
}

static int choose(struct vm_map *map)
{
	struct vm_map_private *p = map->private;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].kind == map->kind) {
			p->ops = kinds[i].ops;
			p->per_cpu = kinds[i].per_cpu;
			return map->flags & ~p->ops->flags ? -EINVAL : 0;
		}
	}
	return -EINVAL;
}

static int open_map(struct vm_map *map)
{
	struct vm_map_private *p = map->private;
	int err = choose(map);

	if (err || !map->max_entries)
		return -EINVAL;
	if (map->key_size > VM_KEY_MAX || map->value_size > INT32_MAX)
		return -E2BIG;
	if (p->per_cpu && map->value_size > VM_PER_CPU_MAX)
		return -E2BIG;
	p->padded = ((size_t)map->value_size + 7) & ~(size_t)7;
	p->passed = p->per_cpu ? p->padded * map->n_cpus : map->value_size;
	map->stride = stride_of(map->value_size);
	p->element = p->per_cpu ? map->stride * map->n_cpus : map->stride;
	p->wake.fd = -1;
	return p->ops->open(map);
}

int vm_map_create(struct p2b_vm *vm, const struct p2b_vm_map_spec *spec, struct vm_map **ret)
{
	struct vm_map *map = calloc(1, sizeof(*map));
	struct vm_map_private *p = calloc(1, sizeof(*p));
	int err = map && p && spec->n_cpus ? 0 : -ENOMEM;

	*ret = NULL;
	if (!err) {
		*map = (struct vm_map){
			.vm = vm, .refs = 1, .kind = spec->kind, .key_size = spec->key_size,
			.value_size = spec->value_size, .max_entries = spec->max_entries, .flags = spec->flags,
			.n_cpus = spec->n_cpus, .private = p,
			.arena = spec->flags & VM_MMAPABLE ? spec->memory : NULL,
		};
		map->done = map->arena ? spec->done : NULL;
		err = open_map(map);
		if (err && p->ops && p->ops->close)
			p->ops->close(map);
	}
	if (err) {
		if (map && map->arena && !map->done)
			vm_give_back(map->arena, map->arena_size);
		free(p);
		free(map);
		return err;
	}
	vm_hold(vm);
	*ret = map;
	return 0;
}

void vm_map_free(struct vm_map *map)
{
	struct vm_map_private *p = map->private;
	struct p2b_vm *vm = map->vm;

	if (p->ops->close)
		p->ops->close(map);
	vm_wake_close(&p->wake);
	if (map->done)
		map->done(map->arena);
	else if (map->arena)
		vm_give_back(map->arena, map->arena_size);
	free(p);
	free(map);
	vm_release(vm);
}

void vm_map_destroy(struct vm_map *map)
{
	if (!map)
		return;
	if (map->private->ops->reset)
		map->private->ops->reset(map);
	vm_map_release(map);
}

/* ---- What programs do ----------------------------------------------------------------------------------------- */

/* Programs may store what lies in the arena, so source and element may be the same. */
void vm_store(struct vm_map *map, uint32_t at, const struct vm_value *value, int is_new)
{
	const struct vm_map_private *p = map->private;
	uint8_t *to = vm_element(map, at);

	if (!p->per_cpu) {
		memmove(to, value->bytes, map->value_size);
		return;
	}
	if (is_new) {
		map->work += p->element;
		memset(to, 0, p->element);
	}
	for (uint32_t cpu = 0; value->cpu == VM_ALL_CPUS && cpu < map->n_cpus; cpu++)
		memmove(to + cpu * map->stride, value->bytes + cpu * p->padded, map->value_size);
	if (value->cpu != VM_ALL_CPUS)
		memmove(to + (uint32_t)value->cpu * map->stride, value->bytes, map->value_size);
}

void *vm_map_find(struct vm_map *map, const void *key, uint32_t cpu)
{
	const struct vm_map_private *p = map->private;
	uint32_t at;

	if (!p->ops->search || p->ops->read || cpu >= map->n_cpus)
		return NULL;
	at = p->ops->search(map, key);
	if (!at)
		return NULL;
	if (p->ops->touch)
		p->ops->touch(map, at);
	return (uint8_t *)vm_element(map, at) + (p->per_cpu ? cpu * map->stride : 0);
}

int vm_map_put(struct vm_map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu)
{
	const struct vm_value one = { .bytes = value, .cpu = (int)cpu };

	if (map->flags & VM_RDONLY_PROG)
		return -EPERM;
	if (!map->private->ops->put || map->private->ops->read || cpu >= map->n_cpus)
		return -EINVAL;
	return map->private->ops->put(map, key, &one, flags);
}

int vm_map_del(struct vm_map *map, const void *key)
{
	if (map->flags & VM_RDONLY_PROG)
		return -EPERM;
	if (!map->private->ops->remove || map->private->ops->read)
		return -EINVAL;
	return map->private->ops->remove(map, key);
}

int vm_map_push(struct vm_map *map, const void *value, uint64_t flags)
{
	return map->private->ops->push ? map->private->ops->push(map, value, flags) : -EINVAL;
}

int vm_map_pop(struct vm_map *map, void *value)
{
	return map->private->ops->pop ? map->private->ops->pop(map, value, 0) : -EINVAL;
}

int vm_map_peek(struct vm_map *map, void *value)
{
	return map->private->ops->pop ? map->private->ops->pop(map, value, 1) : -EINVAL;
}

int vm_map_emit(struct vm_map *map, uint32_t cpu, const void *data, uint32_t size)
{
	return map->private->ops->emit ? map->private->ops->emit(map, cpu, data, size) : -EINVAL;
}
