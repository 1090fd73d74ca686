/* Arrays, kernel/bpf/arraymap.c: every index below max_entries always exists. Index i is element i + 1. */
#include "vm/map/ops.h"

static uint32_t index_of(const void *key)
{
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	return index;
}

static int array_open(struct vm_map *map)
{
	if (map->key_size != sizeof(uint32_t) || !map->value_size)
		return -EINVAL;
	return vm_make_arena(map, map->max_entries);
}

static uint32_t array_search(struct vm_map *map, const void *key)
{
	uint32_t index = index_of(key);

	return index < map->max_entries ? index + 1 : 0;
}

static int array_put(struct vm_map *map, const void *key, const struct vm_value *value, uint64_t flags)
{
	uint32_t at = array_search(map, key);

	flags &= ~(uint64_t)VM_F_LOCK;
	if (flags > VM_EXIST)
		return -EINVAL;
	if (!at)
		return -E2BIG;
	if (flags == VM_NOEXIST)
		return -EEXIST;
	vm_store(map, at, value, 0);
	return 0;
}

static uint32_t array_after(struct vm_map *map, uint32_t at)
{
	return at < map->max_entries ? at + 1 : 0;
}

static uint64_t array_count(struct vm_map *map)
{
	return map->max_entries;
}

static void array_key(struct vm_map *map, uint32_t at, void *out)
{
	uint32_t index = at - 1;

	(void)map;
	memcpy(out, &index, sizeof(index));
}

const struct vm_map_ops vm_array_ops = {
	.open = array_open, .search = array_search, .put = array_put, .after = array_after,
	.count = array_count, .key = array_key,
};

/*
 * Stack traces, kernel/bpf/stackmap.c: only bpf_get_stackid() fills these maps, and the VM has no kernel stacks. So
 * they are always empty.
 */
static int stacks_open(struct vm_map *map)
{
	if (map->key_size != sizeof(uint32_t) || map->value_size < 8 || map->value_size % 8)
		return -EINVAL;
	return 0;
}

static uint32_t stacks_search(struct vm_map *map, const void *key)
{
	(void)map;
	(void)key;
	return 0;
}

static int stacks_remove(struct vm_map *map, const void *key)
{
	return index_of(key) < map->max_entries ? -ENOENT : -E2BIG;
}

static uint32_t stacks_after(struct vm_map *map, uint32_t at)
{
	(void)map;
	(void)at;
	return 0;
}

const struct vm_map_ops vm_stacks_ops = {
	.open = stacks_open, .search = stacks_search, .remove = stacks_remove, .after = stacks_after, .key = array_key,
};
