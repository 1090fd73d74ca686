/* User space's operations on the VM's maps: the element commands of bpf(2), under the machine's lock. */
#include "vm/map/ops.h"

void p2b_vm_lock(struct p2b_vm *vm)
{
	vm_lock(vm);
}

void p2b_vm_unlock(struct p2b_vm *vm)
{
	vm_unlock(vm);
}

static uint32_t locate(struct vm_map *map, const void *key)
{
	const struct vm_map_ops *ops = map->private->ops;

	return ops->locate ? ops->locate(map, key) : ops->search(map, key);
}

/* Copies an element's value as bpf(2) does: in a per-CPU map, the values of all CPUs. */
static void copy_out(struct vm_map *map, uint32_t at, void *out)
{
	const struct vm_map_private *p = map->private;

	if (p->ops->read) {
		p->ops->read(map, at, out);
		return;
	}
	if (!p->per_cpu) {
		memcpy(out, vm_element(map, at), map->value_size);
		return;
	}
	memset(out, 0, p->passed);
	for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++)
		memcpy((uint8_t *)out + cpu * p->padded, (uint8_t *)vm_element(map, at) + cpu * map->stride,
		       map->value_size);
}

static int lookup(struct vm_map *map, const void *key, void *value, int take)
{
	const struct vm_map_ops *ops = map->private->ops;
	uint32_t at;

	if (ops->pop)
		return ops->pop(map, value, !take);
	if (!ops->search)
		return -EOPNOTSUPP;
	at = take ? locate(map, key) : ops->search(map, key);
	if (!at)
		return -ENOENT;
	copy_out(map, at, value);
	if (take)
		return ops->remove ? ops->remove(map, key) : -EINVAL;
	return 0;
}

int vm_map_lookup(struct vm_map *map, const void *key, void *value)
{
	int err;

	vm_lock(map->vm);
	err = lookup(map, key, value, 0);
	vm_unlock(map->vm);
	return err;
}

int vm_map_take(struct vm_map *map, const void *key, void *value)
{
	int err;

	vm_lock(map->vm);
	err = lookup(map, key, value, 1);
	vm_unlock(map->vm);
	return err;
}

static int update(struct vm_map *map, const void *key, const void *value, uint64_t flags)
{
	const struct vm_value all = { .bytes = value, .cpu = VM_ALL_CPUS };
	const struct vm_map_ops *ops = map->private->ops;

	if (ops->push)
		return ops->push(map, value, flags);
	return ops->put ? ops->put(map, key, &all, flags) : -EINVAL;
}

int vm_map_update_many(struct vm_map *map, const void *keys, const void *values, uint32_t count, uint64_t flags,
			   uint32_t *done)
{
	const struct vm_map_private *p = map->private;
	size_t key_size = map->key_size, step = p->passed;
	int err = 0;

	vm_lock(map->vm);
	for (*done = 0; *done < count; (*done)++) {
		err = update(map, key_size ? (const uint8_t *)keys + *done * key_size : NULL,
			     (const uint8_t *)values + *done * step, flags);
		if (err)
			break;
	}
	vm_unlock(map->vm);
	return err;
}

int vm_map_update(struct vm_map *map, const void *key, const void *value, uint64_t flags)
{
	uint32_t done;

	return vm_map_update_many(map, key, value, 1, flags, &done);
}

int vm_map_delete(struct vm_map *map, const void *key)
{
	const struct vm_map_ops *ops = map->private->ops;
	int err;

	vm_lock(map->vm);
	err = ops->remove ? ops->remove(map, key) : -EINVAL;
	vm_unlock(map->vm);
	return err;
}

int vm_map_next_key(struct vm_map *map, const void *key, void *next)
{
	const struct vm_map_ops *ops = map->private->ops;
	uint32_t at;

	if (!ops->after)
		return -EOPNOTSUPP;
	vm_lock(map->vm);
	at = ops->after(map, key ? locate(map, key) : 0);
	if (at)
		ops->key(map, at, next);
	vm_unlock(map->vm);
	return at ? 0 : -ENOENT;
}

static uint64_t count_elements(struct vm_map *map)
{
	const struct vm_map_ops *ops = map->private->ops;
	uint64_t n = 0;

	if (ops->count)
		return ops->count(map);
	for (uint32_t at = 0; (at = ops->after(map, at)) != 0;)
		n++;
	return n;
}

int64_t vm_map_count(struct vm_map *map)
{
	uint64_t n;

	if (!map->private->ops->after)
		return -EOPNOTSUPP;
	vm_lock(map->vm);
	n = count_elements(map);
	vm_unlock(map->vm);
	return (int64_t)n;
}

static int64_t walk(struct vm_map *map, uint8_t *keys, uint8_t *values, uint64_t cap, int delete)
{
	const struct vm_map_private *p = map->private;
	size_t step = p->passed;
	uint64_t n = 0;
	uint32_t at = 0;

	if (count_elements(map) > cap)
		return -ENOSPC;
	if (delete && !p->ops->remove)
		return -EINVAL;
	while ((at = p->ops->after(map, at)) != 0) {
		p->ops->key(map, at, keys + n * map->key_size);
		copy_out(map, at, values + n * step);
		n++;
	}
	for (uint64_t i = 0; delete && i < n; i++) {
		int err = p->ops->remove(map, keys + i * map->key_size);

		if (err)
			return err;
	}
	return (int64_t)n;
}

int64_t vm_map_walk(struct vm_map *map, void *keys, void *values, uint64_t cap, uint32_t flags)
{
	int64_t n;

	if (!map->private->ops->after)
		return -EOPNOTSUPP;
	vm_lock(map->vm);
	n = walk(map, keys, values, cap, (flags & P2B_WALK_DELETE) != 0);
	vm_unlock(map->vm);
	return n;
}
