/* Queues and stacks of values, kernel/bpf/queue_stack_maps.c. They have no keys. */
#include "vm/map/ops.h"

struct list {
	uint32_t first, used;
};

static int list_open(struct vm_map *map)
{
	if (map->key_size || !map->value_size)
		return -EINVAL;
	map->private->state = calloc(1, sizeof(struct list));
	return map->private->state ? vm_make_arena(map, map->max_entries) : -ENOMEM;
}

static void list_close(struct vm_map *map)
{
	free(map->private->state);
}

/* The element n places after the oldest. */
static void *nth(const struct vm_map *map, uint32_t n)
{
	const struct list *l = map->private->state;

	return vm_element(map, (uint32_t)(((uint64_t)l->first + n) % map->max_entries) + 1);
}

/* BPF_EXIST on a full one drops the oldest value. */
static int list_push(struct vm_map *map, const void *value, uint64_t flags)
{
	struct list *l = map->private->state;

	if (flags != VM_ANY && flags != VM_EXIST)
		return -EINVAL;
	if (l->used == map->max_entries) {
		if (flags != VM_EXIST)
			return -E2BIG;
		l->first = (l->first + 1) % map->max_entries;
		l->used--;
	}
	memmove(nth(map, l->used++), value, map->value_size);
	return 0;
}

static int list_pop(struct vm_map *map, void *value, int peek)
{
	struct list *l = map->private->state;

	if (!l->used) {
		memset(value, 0, map->value_size);
		return -ENOENT;
	}
	memmove(value, nth(map, map->kind == VM_STACK ? l->used - 1 : 0), map->value_size);
	if (!peek) {
		if (map->kind == VM_QUEUE)
			l->first = (l->first + 1) % map->max_entries;
		l->used--;
	}
	return 0;
}

const struct vm_map_ops vm_list_ops = {
	.open = list_open, .close = list_close, .push = list_push, .pop = list_pop,
};
