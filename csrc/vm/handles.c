/* The functions of api/vm.h and api/vm_maps.h that take handles: each call holds the handles that it uses. */
#include "common/reader.h"
#include "vm/map/ops.h"
#include "vm/prog.h"

static void destroy_prog(void *prog)
{
	vm_prog_destroy(prog);
}

static void destroy_map(void *map)
{
	vm_map_destroy(map);
}

/* ---- Programs -------------------------------------------------------------------------------------------------- */

int p2b_vm_prog_create(struct p2b_vm *vm, const void *slots, uint32_t n_slots, uint32_t prog_type,
		       struct p2b_handle *const *maps, uint32_t n_maps, const char *const *kfuncs, uint32_t n_kfuncs,
		       struct p2b_fault *fault, struct p2b_handle *ret)
{
	struct vm_map **objects = calloc((size_t)n_maps + 1, sizeof(*objects));
	struct p2b_vm_prog *prog = NULL;
	int err = objects ? 0 : -ENOMEM;
	uint32_t held = 0;

	*fault = (struct p2b_fault){ .what = "" };
	while (!err && held < n_maps) {
		err = p2b_hold(maps[held]);
		if (!err) {
			objects[held] = maps[held]->object;
			held++;
		}
	}
	if (!err)
		err = vm_prog_create(vm, slots, n_slots, prog_type, objects, n_maps, kfuncs, n_kfuncs, fault, &prog);
	while (held)
		p2b_release(maps[--held]);
	free(objects);
	return err ? err : p2b_own_object(ret, prog, destroy_prog, 0);
}

int p2b_vm_run(struct p2b_handle *prog, struct p2b_vm_run *run)
{
	int r = p2b_hold(prog);

	run->fault_prog = NULL;
	if (r)
		return r;
	r = vm_run(prog->object, run);
	p2b_release(prog);
	return r;
}

int p2b_vm_run_many(struct p2b_handle *prog, const void *data, uint64_t data_size, const uint64_t *offsets,
		    const uint32_t *sizes, const uint64_t *times, uint32_t n, uint32_t *retvals, uint32_t *done,
		    struct p2b_vm_run *run)
{
	int r = p2b_hold(prog);

	run->fault_prog = NULL;
	*done = 0;
	if (r)
		return r;
	r = vm_run_many(prog->object, data, data_size, offsets, sizes, times, n, retvals, done, run);
	p2b_release(prog);
	return r;
}

/* ---- Maps ------------------------------------------------------------------------------------------------------ */

int p2b_vm_map_create(struct p2b_vm *vm, const struct p2b_vm_map_spec *spec, struct p2b_handle *ret)
{
	struct vm_map *map;
	int err = vm_map_create(vm, spec, &map);

	return err ? err : p2b_own_object(ret, map, destroy_map, 0);
}

int p2b_vm_map_lookup(struct p2b_handle *map, const void *key, void *value)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	r = vm_map_lookup(map->object, key, value);
	p2b_release(map);
	return r;
}

int p2b_vm_map_take(struct p2b_handle *map, const void *key, void *value)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	r = vm_map_take(map->object, key, value);
	p2b_release(map);
	return r;
}

int p2b_vm_map_update(struct p2b_handle *map, const void *key, const void *value, uint64_t flags)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	r = vm_map_update(map->object, key, value, flags);
	p2b_release(map);
	return r;
}

int p2b_vm_map_delete(struct p2b_handle *map, const void *key)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	r = vm_map_delete(map->object, key);
	p2b_release(map);
	return r;
}

int p2b_vm_map_update_many(struct p2b_handle *map, const void *keys, const void *values, uint32_t count,
			   uint64_t flags, uint32_t *done)
{
	int r = p2b_hold(map);

	*done = 0;
	if (r)
		return r;
	r = vm_map_update_many(map->object, keys, values, count, flags, done);
	p2b_release(map);
	return r;
}

int p2b_vm_map_next_key(struct p2b_handle *map, const void *key, void *next)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	r = vm_map_next_key(map->object, key, next);
	p2b_release(map);
	return r;
}

int64_t p2b_vm_map_count(struct p2b_handle *map)
{
	int64_t r = p2b_hold(map);

	if (r)
		return r;
	r = vm_map_count(map->object);
	p2b_release(map);
	return r;
}

int64_t p2b_vm_map_walk(struct p2b_handle *map, void *keys, void *values, uint64_t cap, uint32_t flags)
{
	int64_t r = p2b_hold(map);

	if (r)
		return r;
	r = vm_map_walk(map->object, keys, values, cap, flags);
	p2b_release(map);
	return r;
}

int p2b_vm_map_set_prog(struct p2b_handle *map, uint32_t index, struct p2b_handle *prog, uint32_t id)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	r = prog ? p2b_hold(prog) : 0;
	if (!r) {
		r = vm_map_set_prog(map->object, index, prog ? prog->object : NULL, id);
		if (prog)
			p2b_release(prog);
	}
	p2b_release(map);
	return r;
}

/* ---- Queues ---------------------------------------------------------------------------------------------------- */

int p2b_vm_queue_read(struct p2b_handle *map, uint32_t pages, uint32_t ordered, struct p2b_handle *ret)
{
	struct p2b_reader *reader = NULL;
	int r = p2b_hold(map);

	if (r)
		return r;
	r = vm_queue_read(map->object, pages, ordered, &reader);
	p2b_release(map);
	return p2b_own_reader(ret, reader, r);
}

int p2b_vm_ring_positions(struct p2b_handle *map, uint64_t *ret)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	vm_ring_positions(map->object, ret);
	p2b_release(map);
	return 0;
}

int p2b_vm_user_ring_send(struct p2b_handle *map, const void *data, uint32_t size)
{
	int r = p2b_hold(map);

	if (r)
		return r;
	r = vm_user_ring_send(map->object, data, size);
	p2b_release(map);
	return r;
}

int64_t p2b_vm_user_ring_peek(struct p2b_handle *map, uint64_t *position, void *out, uint64_t cap, int take)
{
	int64_t r = p2b_hold(map);

	if (r)
		return r;
	r = vm_user_ring_peek(map->object, position, out, cap, take);
	p2b_release(map);
	return r;
}

int64_t p2b_vm_user_ring_waiting(struct p2b_handle *map)
{
	int64_t r = p2b_hold(map);

	if (r)
		return r;
	r = (int64_t)vm_user_ring_waiting(map->object);
	p2b_release(map);
	return r;
}
