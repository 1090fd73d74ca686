/* Memory of the embedded VM's maps, and where the values lie in it. */
#include <sys/mman.h>

#include "vm/map/ops.h"

enum { MAPPED_FROM = 1 << 18 };

/* calloc for small pieces, whose ends sanitizers watch; mmap for large ones, which commits no memory at once. */
void *vm_alloc(size_t size)
{
	void *memory;

	if (size < MAPPED_FROM)
		return calloc(1, size ? size : 1);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void vm_free(void *memory, size_t size)
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
	map->arena = vm_alloc(size);
	return map->arena ? 0 : -ENOMEM;
}

uint64_t vm_stride(uint32_t value_size)
{
	uint64_t stride = 1;

	while (stride < (((uint64_t)value_size + 7) & ~(uint64_t)7) + VM_GAP)
		stride *= 2;
	return stride;
}

uint64_t p2b_vm_array_size(uint32_t value_size, uint32_t max_entries)
{
	uint64_t size;

	return __builtin_mul_overflow(vm_stride(value_size), (uint64_t)max_entries, &size) ? 0 : size;
}

/* Programs may store a value that lies in the arena, so source and element may be the same. */
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
