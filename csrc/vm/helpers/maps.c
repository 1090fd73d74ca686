/* Helper functions on maps and rings: they check their arguments and call the map's operation. */
#include "vm/helpers/helpers.h"

/* Charges the budget for the map's work on bytes other than the arguments, and returns result. */
static uint64_t charged(struct vm_state *s, const struct vm_map *map, uint64_t result)
{
	vm_charge(s, map->work);
	return result;
}

uint64_t vm_map_lookup_elem(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_FIND);
	const void *key = map ? vm_argument(s, a[1], map->key_size, 0) : NULL;

	return key ? charged(s, map, p2b_ptr(vm_map_find(map, key, s->vm->cpu))) : 0;
}

uint64_t vm_map_lookup_percpu_elem(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_FIND);
	const void *key = map ? vm_argument(s, a[1], map->key_size, 0) : NULL;

	if (!key || (uint32_t)a[2] >= s->vm->n_cpus)
		return 0;
	return charged(s, map, p2b_ptr(vm_map_find(map, key, (uint32_t)a[2])));
}

uint64_t vm_map_update_elem(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_UPDATE);
	const void *key = map ? vm_argument(s, a[1], map->key_size, 0) : NULL;
	const void *value = key ? vm_argument(s, a[2], map->value_size, 0) : NULL;

	if (!value)
		return 0;
	if (map->flags & VM_RDONLY_PROG)
		return vm_fault(s, a[0], "the map is read-only for programs");
	return charged(s, map, (uint64_t)(int64_t)vm_map_put(map, key, value, a[3], s->vm->cpu));
}

uint64_t vm_map_delete_elem(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_DELETE);
	const void *key = map ? vm_argument(s, a[1], map->key_size, 0) : NULL;

	if (!key)
		return 0;
	if (map->flags & VM_RDONLY_PROG)
		return vm_fault(s, a[0], "the map is read-only for programs");
	return charged(s, map, (uint64_t)(int64_t)vm_map_del(map, key));
}

uint64_t vm_map_push_elem(struct vm_state *s, const uint64_t *a)
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_PUSH);
	const void *value = map ? vm_argument(s, a[1], map->value_size, 0) : NULL;

	return value ? (uint64_t)(int64_t)vm_map_push(map, value, a[2]) : 0;
}

static uint64_t take(struct vm_state *s, const uint64_t *a, int (*from)(struct vm_map *, void *))
{
	struct vm_map *map = vm_map_for(s, a[0], VM_CAN_PUSH);
	void *value = map ? vm_argument(s, a[1], map->value_size, 1) : NULL;

	return value ? (uint64_t)(int64_t)from(map, value) : 0;
}

uint64_t vm_map_pop_elem(struct vm_state *s, const uint64_t *a)
{
	return take(s, a, vm_map_pop);
}

uint64_t vm_map_peek_elem(struct vm_state *s, const uint64_t *a)
{
	return take(s, a, vm_map_peek);
}

/* The machine's lock keeps others out already, so these only check that programs pair lock and unlock. */
uint64_t vm_spin_lock(struct vm_state *s, const uint64_t *a)
{
	if (!vm_argument(s, a[0], 4, 1))
		return 0;
	if (s->lock)
		return vm_fault(s, a[0], "bpf_spin_lock with a lock held already");
	s->lock = a[0];
	return 0;
}

uint64_t vm_spin_unlock(struct vm_state *s, const uint64_t *a)
{
	if (!vm_argument(s, a[0], 4, 1))
		return 0;
	if (s->lock != a[0])
		return vm_fault(s, a[0], "bpf_spin_unlock of a lock that is not held");
	s->lock = 0;
	return 0;
}
