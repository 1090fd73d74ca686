/* Finds the embedded VM's helper functions in the rows of rows.h, and checks their arguments. */
#include "vm/prog_types.h"
#include "vm/helpers/helpers.h"

/* Sets of program types to which the kernel offers helpers. The LWT types have no hooks in py2bpf. */
enum {
	SOCKET = 1 << VM_SOCKET_FILTER,
	TC = 1 << VM_SCHED_CLS | 1 << VM_SCHED_ACT,
	CGROUP = 1 << VM_CGROUP_SKB,
	XMIT = 1 << VM_LWT_XMIT,
	LWT = 1 << VM_LWT_IN | 1 << VM_LWT_OUT | XMIT,
	SKB = SOCKET | TC | CGROUP | LWT,
	XDP = 1 << VM_XDP_PROG,
	KPROBE = 1 << VM_KPROBE,
	ANY = -1,
	TRACE = ANY & ~(SKB | XDP),
};

#define ROW(number, types, kinds, function) { number, types, kinds, function },
static const struct vm_helper_row rows[] = { VM_HELPER_ROWS(ROW) };

static int is_map(struct vm_state *s, uint64_t value, uint32_t ability)
{
	const struct vm_map *map = vm_map_argument(s, value);

	if (map && map->abilities & ability)
		return 1;
	vm_fault(s, value, "this kind of map has no such helper function"); /* unless it's no map: the first fault counts */
	return 0;
}

static int is_of_kind(struct vm_state *s, char kind, const uint64_t *a)
{
	switch (kind) {
	case 'c':
		return vm_ctx_argument(s, *a);
	case 'n':
		return !*a || vm_ctx_argument(s, *a);
	case 'p':
		return is_map(s, *a, VM_CAN_EMIT);
	case 's':
		return is_map(s, *a, VM_CAN_STACK_TRACE);
	case 'r':
	case 'w':
		return vm_argument(s, a[0], (uint32_t)a[1], kind == 'w') != NULL;
	}
	return 1;
}

int vm_arguments(struct vm_state *s, const char *kinds, const uint64_t *a)
{
	for (; *kinds; kinds++, a++)
		if (!is_of_kind(s, *kinds, a))
			return 0;
	return 1;
}

static int is_offered(const struct vm_helper_row *row, uint32_t prog_type)
{
	return (uint32_t)row->types >> (prog_type < 31 ? prog_type : 31) & 1;
}

int vm_find_helper(uint32_t id, uint32_t prog_type, const struct vm_helper_row **found)
{
	int known = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].id != id)
			continue;
		known = 1;
		*found = &rows[i];
		if (is_offered(&rows[i], prog_type))
			return 0;
	}
	return known ? -EPERM : -ENOENT;
}
