/*
 * Longest-prefix match, kernel/bpf/lpm_trie.c: keys are a u32 prefix length and an address, first bit first. Lookups
 * try one prefix length after the other in a hash map of masked prefixes, and skip lengths that no prefix has.
 */
#include "vm/map/ops.h"

enum { BITS_MAX = 8 * VM_PREFIX_MAX, HEAD = sizeof(uint32_t) };

/* What the trie knows beside its hash map. */
struct lpm {
	uint32_t lengths[BITS_MAX + 1];         /* how many prefixes there are of each length */
};

struct prefix {
	uint32_t length;
	uint8_t address[VM_PREFIX_MAX];
};

static struct lpm *lpm_of(const struct vm_map *map)
{
	return map->private->family;
}

static uint32_t bits(const struct vm_map *map)
{
	return 8 * (map->key_size - HEAD);
}

static int lpm_open(struct vm_map *map)
{
	if (map->key_size <= HEAD || map->key_size > HEAD + VM_PREFIX_MAX || !(map->flags & VM_NO_PREALLOC))
		return -EINVAL;
	map->private->family = calloc(1, sizeof(struct lpm));
	if (!map->private->family)
		return -ENOMEM;
	return vm_hash_ops.open(map);
}

static void lpm_close(struct vm_map *map)
{
	vm_hash_ops.close(map);
	free(map->private->family);
}

/* Clears the bits after the first n. */
static void cut(const struct vm_map *map, struct prefix *p, uint32_t n)
{
	uint32_t size = map->key_size - HEAD, whole = n / 8;

	p->length = n;
	if (whole < size) {
		p->address[whole] &= (uint8_t)(0xff00 >> n % 8);
		memset(p->address + whole + 1, 0, size - whole - 1);
	}
}

/* Copies the key with its address masked; -EINVAL if the prefix is longer than the address. */
static int masked(const struct vm_map *map, const void *key, struct prefix *ret)
{
	memcpy(ret, key, map->key_size);
	if (ret->length > bits(map))
		return -EINVAL;
	cut(map, ret, ret->length);
	return 0;
}

static uint32_t lpm_locate(struct vm_map *map, const void *key)
{
	struct prefix p;

	return masked(map, key, &p) ? 0 : vm_hash_locate(map, &p);
}

static uint32_t lpm_search(struct vm_map *map, const void *key)
{
	const struct lpm *t = lpm_of(map);
	struct prefix p;
	uint32_t at;

	if (masked(map, key, &p))
		return 0;
	map->work += p.length;
	for (int64_t n = p.length; n >= 0; n--) {
		if (!t->lengths[n])
			continue;
		map->work += map->key_size;
		cut(map, &p, (uint32_t)n);
		at = vm_hash_locate(map, &p);
		if (at)
			return at;
	}
	return 0;
}

static int lpm_put(struct vm_map *map, const void *key, const struct vm_value *value, uint64_t flags)
{
	struct lpm *t = lpm_of(map);
	struct prefix p;
	int err, is_new;

	if (flags > VM_EXIST || masked(map, key, &p))
		return -EINVAL;
	is_new = !vm_hash_locate(map, &p);
	err = vm_hash_ops.put(map, &p, value, flags);
	if (!err && is_new)
		t->lengths[p.length]++;
	return err == -E2BIG ? -ENOSPC : err;
}

static int lpm_remove(struct vm_map *map, const void *key)
{
	struct prefix p;
	int err;

	if (masked(map, key, &p))
		return -EINVAL;
	err = vm_hash_ops.remove(map, &p);
	if (!err)
		lpm_of(map)->lengths[p.length]--;
	return err;
}

static uint32_t lpm_after(struct vm_map *map, uint32_t at)
{
	return vm_hash_ops.after(map, at);
}

static void lpm_key(struct vm_map *map, uint32_t at, void *out)
{
	vm_hash_ops.key(map, at, out);
}

const struct vm_map_ops vm_lpm_ops = {
	.open = lpm_open, .close = lpm_close, .search = lpm_search, .locate = lpm_locate, .put = lpm_put,
	.remove = lpm_remove, .after = lpm_after, .key = lpm_key,
};
