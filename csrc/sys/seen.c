/* A set of keys: an open-addressing table of positions (plus one) in an array of the keys themselves. */
#include "sys/seen.h"

enum { SEEN_FIRST = 1 << 10 };  /* places in the smallest table */

static const uint8_t *key_at(const struct p2b_seen *s, uint32_t i)
{
	return s->keys + (size_t)i * s->key_size;
}

/* FNV-1a. */
static uint32_t hash(const uint8_t *key, uint32_t size)
{
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < size; i++)
		h = (h ^ key[i]) * 16777619u;
	return h ^ h >> 15;
}

/* The key's place in the table: its own or the empty one where it belongs. */
static uint32_t place(const struct p2b_seen *s, const uint8_t *key)
{
	uint32_t mask = s->places - 1, i = hash(key, s->key_size) & mask;

	while (s->table[i] && memcmp(key_at(s, s->table[i] - 1), key, s->key_size))
		i = (i + 1) & mask;
	return i;
}

static int grow(struct p2b_seen *s)
{
	uint32_t places = s->places ? s->places * 2 : SEEN_FIRST;
	uint8_t *keys = realloc(s->keys, (size_t)places / 2 * s->key_size);
	uint32_t *table;

	if (!keys)
		return -ENOMEM;
	s->keys = keys;
	table = calloc(places, sizeof(*table));
	if (!table)
		return -ENOMEM;
	free(s->table);
	s->table = table;
	s->places = places;
	for (uint32_t i = 0; i < s->count; i++)
		table[place(s, key_at(s, i))] = i + 1;
	return 0;
}

int p2b_seen_add(struct p2b_seen *s, const uint8_t *key)
{
	uint32_t i;

	if (s->count + 1 > s->places / 2) {
		int err = grow(s);

		if (err)
			return err;
	}
	i = place(s, key);
	if (s->table[i])
		return 0;
	memcpy(s->keys + (size_t)s->count * s->key_size, key, s->key_size);
	s->table[i] = ++s->count;
	return 1;
}

int p2b_seen_has(const struct p2b_seen *s, const uint8_t *key)
{
	return s->places && s->table[place(s, key)];
}

void p2b_seen_free(struct p2b_seen *s)
{
	free(s->keys);
	free(s->table);
}
