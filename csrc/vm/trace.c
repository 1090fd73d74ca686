/* The lines that programs print, stored until somebody takes them. */
#include "vm/machine.h"

enum { TRACE_MAX = 1 << 20 };

void vm_trace_line(struct p2b_vm *vm, const char *text, uint64_t size)
{
	struct vm_trace *t = &vm->trace;
	int ends = size && text[size - 1] == '\n';

	if (t->used + size + 1 > TRACE_MAX) {
		t->lost++;
		return;
	}
	if (t->used + size + 1 > t->room) {
		size_t room = 2 * (t->used + size + 1);
		char *bigger = realloc(t->text, room);

		if (!bigger) {
			t->lost++;
			return;
		}
		t->text = bigger;
		t->room = room;
	}
	memcpy(t->text + t->used, text, size);
	t->used += size;
	if (!ends)
		t->text[t->used++] = '\n';
}

int64_t p2b_vm_trace(struct p2b_vm *vm, char *out, uint64_t cap, uint64_t *lost)
{
	struct vm_trace *t = &vm->trace;
	uint64_t n;

	vm_lock(vm);
	n = t->used < cap ? t->used : cap;
	if (n) {
		memcpy(out, t->text, n);
		memmove(t->text, t->text + n, t->used - n);
		t->used -= n;
	}
	*lost = t->lost;
	t->lost = 0;
	vm_unlock(vm);
	return (int64_t)n;
}
