/* Maps of the embedded VM: making one of any kind, and what programs do with it. */
#include "vm/map/ops.h"

#define ROW(name, number, has_per_cpu, operations, allowed, can) \
	{ .kind = number, .per_cpu = has_per_cpu, .ops = &operations, .flags_allowed = allowed, .abilities = can },
static const struct kind {
	uint32_t kind;
	int per_cpu;
	const struct vm_map_ops *ops;
	uint32_t flags_allowed, abilities;
} kinds[] = { VM_MAP_KINDS(ROW) };

static int choose(struct vm_map *map)
{
	struct vm_map_private *p = map->private;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].kind == map->kind) {
			p->ops = kinds[i].ops;
			p->per_cpu = kinds[i].per_cpu;
			map->abilities = kinds[i].abilities;
			return map->flags & ~kinds[i].flags_allowed ? -EINVAL : 0;
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
	map->stride = vm_stride(map->value_size);
	p->element = p->per_cpu ? map->stride * map->n_cpus : map->stride;
	p->wake.fd = -1;
	return p->ops->open(map);
}

static void free_map(struct vm_map *map)
{
	struct vm_map_private *p = map->private;
	struct p2b_vm *vm = map->vm;

	if (p->ops->close)
		p->ops->close(map);
	vm_wake_close(&p->wake);
	if (map->done)
		map->done(map->arena);
	else if (map->arena)
		vm_free(map->arena, map->arena_size);
	free(p);
	free(map);
	vm_release(vm);
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
			.n_cpus = spec->n_cpus, .private = p, .free = free_map,
			.arena = spec->flags & VM_MMAPABLE ? spec->memory : NULL,
		};
		map->done = map->arena ? spec->done : NULL;
		err = open_map(map);
		if (err && p->ops && p->ops->close)
			p->ops->close(map);
	}
	if (err) {
		if (map && map->arena && !map->done)
			vm_free(map->arena, map->arena_size);
		free(p);
		free(map);
		return err;
	}
	vm_hold(vm);
	*ret = map;
	return 0;
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
