/*
 * Hash maps, with or without eviction: kernel/bpf/hashtab.c. Entries are chained in buckets, and in a list by age,
 * which is the order of walks, so that the same operations give the same order. A map that evicts also has a list by
 * use, which is exact, while the kernel's is approximate.
 */
#include "vm/map/ops.h"

struct entry {
	uint32_t hash, chain;           /* chain: the next in the bucket, or in the list of free entries */
	uint32_t older, newer;          /* by insertion */
	uint32_t colder, warmer;        /* by use */
};

struct hash {
	uint8_t *keys;
	struct entry *entries;          /* entries[0] is the lists' anchor */
	uint32_t *buckets;
	size_t keys_size, entries_size, buckets_size;
	uint32_t mask, used, fresh, free, spare;
};

static struct hash *hash_of(const struct vm_map *map)
{
	return map->private->state;
}

static int evicts(const struct vm_map *map)
{
	return map->private->ops == &vm_lru_ops;
}

/* A fixed hash by multiplication with large odd numbers, so that walks and evictions can be repeated. */
static uint32_t hash_key(const uint8_t *key, uint32_t size)
{
	uint64_t h = size * 0x9e3779b97f4a7c15ull, word;

	for (; size >= 8; key += 8, size -= 8) {
		memcpy(&word, key, 8);
		h = (h ^ word) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	if (size) {
		word = 0;
		memcpy(&word, key, size);
		h = (h ^ word) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	h *= 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(h >> 32);
}

static uint8_t *key_at(const struct vm_map *map, uint32_t at)
{
	return hash_of(map)->keys + (size_t)at * map->key_size;
}

/* One entry more than max_entries, since an update writes a new entry before it frees the old one, as in the kernel. */
static int hash_open(struct vm_map *map)
{
	uint64_t entries = (uint64_t)map->max_entries + 2, buckets = 1;
	struct hash *h;

	if (!map->key_size || !map->value_size)
		return -EINVAL;
	h = map->private->state = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	if (entries > UINT32_MAX)
		return -E2BIG;
	while (buckets < map->max_entries)
		buckets *= 2;
	h->mask = (uint32_t)(buckets - 1);
	h->keys_size = entries * map->key_size;
	h->entries_size = entries * sizeof(h->entries[0]);
	h->buckets_size = buckets * sizeof(h->buckets[0]);
	h->keys = vm_alloc(h->keys_size);
	h->entries = vm_alloc(h->entries_size);
	h->buckets = vm_alloc(h->buckets_size);
	if (!h->keys || !h->entries || !h->buckets)
		return -ENOMEM;
	h->spare = h->fresh = 1;
	return vm_make_arena(map, entries - 1);
}

static void hash_close(struct vm_map *map)
{
	struct hash *h = hash_of(map);

	if (!h)
		return;
	vm_free(h->keys, h->keys_size);
	vm_free(h->entries, h->entries_size);
	vm_free(h->buckets, h->buckets_size);
	free(h);
}

/* Where the number of the key's entry is stored: in its bucket, or in the entry before it. */
static uint32_t *place_of(struct vm_map *map, const void *key, uint32_t hash)
{
	struct hash *h = hash_of(map);
	uint32_t *place = &h->buckets[hash & h->mask];

	for (; *place; place = &h->entries[*place].chain) {
		if (h->entries[*place].hash == hash && !memcmp(key_at(map, *place), key, map->key_size))
			break;
		map->work += sizeof(struct entry);
	}
	return place;
}

uint32_t vm_hash_locate(struct vm_map *map, const void *key)
{
	return *place_of(map, key, hash_key(key, map->key_size));
}

static void link_by_use(struct hash *h, uint32_t at)
{
	uint32_t warmest = h->entries[0].colder;

	h->entries[at].colder = warmest;
	h->entries[at].warmer = 0;
	h->entries[warmest].warmer = at;
	h->entries[0].colder = at;
}

static void unlink_by_use(struct hash *h, uint32_t at)
{
	h->entries[h->entries[at].warmer].colder = h->entries[at].colder;
	h->entries[h->entries[at].colder].warmer = h->entries[at].warmer;
}

static void touch(struct vm_map *map, uint32_t at)
{
	struct hash *h = hash_of(map);

	if (h->entries[0].colder == at)
		return;
	unlink_by_use(h, at);
	link_by_use(h, at);
}

/* Puts the spare entry into the lists, with the age of the entry that it replaces, or as the newest one. */
static void insert_spare(struct vm_map *map, uint32_t *place, uint32_t hash, uint32_t replaced)
{
	struct hash *h = hash_of(map);
	struct entry *e = &h->entries[h->spare];

	e->hash = hash;
	e->chain = replaced ? h->entries[replaced].chain : 0;
	e->older = replaced ? h->entries[replaced].older : h->entries[0].older;
	e->newer = replaced ? h->entries[replaced].newer : 0;
	h->entries[e->older].newer = h->spare;
	h->entries[e->newer].older = h->spare;
	*place = h->spare;
	if (replaced && evicts(map))
		unlink_by_use(h, replaced);
	if (evicts(map))
		link_by_use(h, h->spare);
}

static void remove_at(struct vm_map *map, uint32_t *place)
{
	struct hash *h = hash_of(map);
	uint32_t at = *place;
	struct entry *e = &h->entries[at];

	*place = e->chain;
	h->entries[e->older].newer = e->newer;
	h->entries[e->newer].older = e->older;
	if (evicts(map))
		unlink_by_use(h, at);
	e->chain = h->free;
	h->free = at;
	h->used--;
}

/* Makes sure that an entry is free to become the next spare one: 0, or -E2BIG. */
static int make_room(struct vm_map *map)
{
	struct hash *h = hash_of(map);

	if (h->used < map->max_entries)
		return 0;
	if (!evicts(map))
		return -E2BIG;
	remove_at(map, place_of(map, key_at(map, h->entries[0].warmer), h->entries[h->entries[0].warmer].hash));
	return 0;
}

static uint32_t take_free(struct hash *h)
{
	uint32_t at = h->free;

	if (!at)
		return ++h->fresh;
	h->free = h->entries[at].chain;
	return at;
}

static int replace(struct vm_map *map, uint32_t *place, const struct vm_value *value)
{
	struct hash *h = hash_of(map);
	uint32_t old = *place;

	if (map->private->per_cpu) {    /* in place: each program writes its own CPU's value only */
		vm_store(map, old, value, 0);
		if (evicts(map))
			touch(map, old);
		return 0;
	}
	memcpy(key_at(map, h->spare), key_at(map, old), map->key_size);
	vm_store(map, h->spare, value, 0);
	insert_spare(map, place, h->entries[old].hash, old);
	h->spare = old;
	return 0;
}

static int hash_put(struct vm_map *map, const void *key, const struct vm_value *value, uint64_t flags)
{
	struct hash *h = hash_of(map);
	uint32_t hash = hash_key(key, map->key_size);
	uint32_t *place = place_of(map, key, hash);
	int err;

	flags &= ~(uint64_t)VM_F_LOCK;
	if (flags > VM_EXIST)
		return -EINVAL;
	if (*place)
		return flags == VM_NOEXIST ? -EEXIST : replace(map, place, value);
	if (flags == VM_EXIST)
		return -ENOENT;
	err = make_room(map);
	if (err)
		return err;
	place = place_of(map, key, hash);       /* the evicted entry may have been the one before */
	memcpy(key_at(map, h->spare), key, map->key_size);
	vm_store(map, h->spare, value, 1);
	insert_spare(map, place, hash, 0);
	h->used++;
	h->spare = take_free(h);
	return 0;
}

static int hash_remove(struct vm_map *map, const void *key)
{
	uint32_t *place = place_of(map, key, hash_key(key, map->key_size));

	if (!*place)
		return -ENOENT;
	remove_at(map, place);
	return 0;
}

static uint32_t hash_after(struct vm_map *map, uint32_t at)
{
	return hash_of(map)->entries[at].newer;
}

static void hash_key_out(struct vm_map *map, uint32_t at, void *out)
{
	memcpy(out, key_at(map, at), map->key_size);
}

const struct vm_map_ops vm_hash_ops = {
	.open = hash_open, .close = hash_close, .search = vm_hash_locate, .put = hash_put, .remove = hash_remove,
	.after = hash_after, .key = hash_key_out,
};

const struct vm_map_ops vm_lru_ops = {
	.open = hash_open, .close = hash_close, .search = vm_hash_locate, .touch = touch, .put = hash_put,
	.remove = hash_remove, .after = hash_after, .key = hash_key_out,
};
