/*
 * Program arrays: programs for tail calls. User space puts programs in by vm_map_set_prog, and reads the numbers that
 * it gave them; programs can't access the elements. No program is released while the lock is held.
 */
#include "vm/map/ops.h"
#include "vm/prog.h"

struct progs {
	uint32_t type;          /* of the programs, once there was one */
	int typed;
	struct {
		struct p2b_vm_prog *prog;
		uint32_t id;
	} slots[];
};

static uint32_t index_of(const void *key)
{
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	return index;
}

static void progs_key(struct vm_map *map, uint32_t at, void *out)
{
	uint32_t index = at - 1;

	(void)map;
	memcpy(out, &index, sizeof(index));
}

static int progs_open(struct vm_map *map)
{
	struct progs *s;

	if (map->key_size != sizeof(uint32_t) || map->value_size != sizeof(uint32_t))
		return -EINVAL;
	s = map->private->state = vm_alloc(sizeof(*s) + (size_t)map->max_entries * sizeof(s->slots[0]));
	return s ? 0 : -ENOMEM;
}

static struct p2b_vm_prog *progs_swap(struct vm_map *map, uint32_t index, struct p2b_vm_prog *prog, uint32_t id)
{
	struct progs *s = map->private->state;
	struct p2b_vm_prog *old = s->slots[index].prog;

	s->slots[index].prog = prog;
	s->slots[index].id = id;
	return old;
}

static void progs_reset(struct vm_map *map)
{
	for (uint32_t i = 0; i < map->max_entries; i++) {
		struct p2b_vm_prog *old;

		vm_lock(map->vm);
		old = progs_swap(map, i, NULL, 0);
		vm_unlock(map->vm);
		if (old)
			vm_prog_release(old);
	}
}

static void progs_close(struct vm_map *map)
{
	struct progs *s = map->private->state;

	if (s)
		vm_free(s, sizeof(*s) + (size_t)map->max_entries * sizeof(s->slots[0]));
}

static uint32_t progs_search(struct vm_map *map, const void *key)
{
	const struct progs *s = map->private->state;
	uint32_t index = index_of(key);

	return index < map->max_entries && s->slots[index].prog ? index + 1 : 0;
}

static uint32_t progs_after(struct vm_map *map, uint32_t at)
{
	const struct progs *s = map->private->state;

	for (; at < map->max_entries; at++)
		if (s->slots[at].prog)
			return at + 1;
	return 0;
}

static void progs_read(struct vm_map *map, uint32_t at, void *out)
{
	const struct progs *s = map->private->state;

	memcpy(out, &s->slots[at - 1].id, sizeof(s->slots[0].id));
}

struct p2b_vm_prog *vm_map_prog(struct vm_map *map, uint32_t index)
{
	const struct progs *s = map->private->state;

	return map->kind == VM_PROG_ARRAY && index < map->max_entries ? s->slots[index].prog : NULL;
}

int vm_map_set_prog(struct vm_map *map, uint32_t index, struct p2b_vm_prog *prog, uint32_t id)
{
	struct progs *s = map->private->state;
	struct p2b_vm_prog *old = NULL;
	int err = 0;

	if (map->kind != VM_PROG_ARRAY)
		return -EINVAL;
	if (index >= map->max_entries)
		return -E2BIG;
	vm_lock(map->vm);
	if (!prog && !s->slots[index].prog)
		err = -ENOENT;
	else if (prog && s->typed && s->type != vm_prog_type(prog))
		err = -EINVAL;
	if (!err && prog) {
		s->typed = 1;
		s->type = vm_prog_type(prog);
		vm_prog_hold(prog);
	}
	if (!err)
		old = progs_swap(map, index, prog, id);
	vm_unlock(map->vm);
	if (old)
		vm_prog_release(old);
	return err;
}

const struct vm_map_ops vm_progs_ops = {
	.open = progs_open, .close = progs_close, .search = progs_search, .after = progs_after, .key = progs_key,
	.read = progs_read, .reset = progs_reset,
};
