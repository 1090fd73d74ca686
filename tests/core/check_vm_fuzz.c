/*
 * No program, packet or context may crash the machine: random programs, most of them close to valid ones, over random
 * packets, under the sanitizers. The same ones every time. P2B_FUZZ_RUNS is how many; P2B_FUZZ_SEED starts others.
 */
#include "check.h"
#include "common/reader.h"
#include "vm/map/ops.h"
#include "vm/prog.h"
#include "common/core.h"

enum { N_MAPS = 10, INSNS_MAX = 96, PACKET_MAX = 300, RUNS = 40000 };

struct fuzzer {
	uint64_t random;
	struct p2b_vm *vm;
	struct vm_map *maps[N_MAPS];
	struct p2b_reader *reader;
	struct p2b_vm_prog *target; /* in the program array */
	struct slot slots[INSNS_MAX];
	uint32_t n;
	uint64_t accepted, clean, insns;
};

static uint32_t below(struct fuzzer *f, uint32_t n)
{
	return (uint32_t)(random_u64(&f->random) >> 33) % n;
}

static const struct p2b_vm_map_spec specs[N_MAPS] = {
	{ 1, 4, 16, 8, 0, 2, NULL, NULL },          /* hash */
	{ 2, 4, 24, 4, 0, 2, NULL, NULL },          /* array */
	{ 3, 4, 4, 4, 0, 2, NULL, NULL },           /* program array */
	{ 4, 4, 4, 2, 0, 2, NULL, NULL },           /* perf event array */
	{ 6, 4, 8, 3, 0, 2, NULL, NULL },           /* per-CPU array */
	{ 9, 4, 8, 4, 0, 2, NULL, NULL },           /* LRU hash */
	{ 11, 8, 8, 8, 1, 2, NULL, NULL },          /* LPM trie */
	{ 22, 0, 8, 4, 0, 2, NULL, NULL },          /* queue */
	{ 27, 0, 0, 4096, 0, 2, NULL, NULL },       /* ring buffer */
	{ 2, 4, 24, 1, 0, 2, NULL, NULL },          /* array of one, whose value programs may name */
};

static const char *const kfuncs[] = { "bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy" };

static void put(struct fuzzer *f, uint8_t code, uint32_t dst, uint32_t src, int32_t off, int32_t imm)
{
	if (f->n < INSNS_MAX)
		f->slots[f->n++] = (struct slot){ code, (uint8_t)(src << 4 | dst), (int16_t)off, imm };
}

static int32_t number(struct fuzzer *f)
{
	static const int32_t telling[] = { 0, 1, -1, 2, 4, 8, 14, 16, 31, 32, 63, 64, 255, 256, 511, 512, 4095, 4096,
					   65535, INT32_MAX, INT32_MIN };

	if (below(f, 3))
		return telling[below(f, sizeof(telling) / sizeof(*telling))];
	return (int32_t)random_u64(&f->random);
}

static void put_alu(struct fuzzer *f)
{
	uint8_t operation = (uint8_t)(below(f, 14) << 4), class = below(f, 3) ? 7 : 4, x = below(f, 2) ? 8 : 0;
	uint32_t dst = below(f, 10), src = below(f, 11);
	int32_t off = 0, imm = number(f);

	if (operation == 0xd0) {
		imm = 16 << below(f, 3);
		x = class == 7 ? 0 : x;
		put(f, operation | class | x, dst, 0, 0, imm);
		return;
	}
	if (operation == 0x80)
		x = 0, imm = 0;
	if ((operation == 0x30 || operation == 0x90) && below(f, 2))
		off = 1;
	if (operation == 0xb0 && x && below(f, 3) == 0)
		off = 8 << below(f, class == 7 ? 3 : 2);
	if (!x && (operation == 0x60 || operation == 0x70 || operation == 0xc0))
		imm &= class == 7 ? 63 : 31;
	put(f, operation | class | x, dst, x ? src : 0, off, x ? 0 : imm);
}

/* A place in the stack frame, the context, the packet, a map's value, or nowhere: base register and offset. */
static uint32_t base(struct fuzzer *f, int32_t *off)
{
	static const uint8_t bases[] = { 10, 10, 10, 6, 7, 7, 9, 9, 8 };
	uint32_t reg = below(f, 8) ? bases[below(f, sizeof(bases))] : below(f, 11);

	*off = reg == 10 ? -8 * (int32_t)(1 + below(f, 65)) + (int32_t)below(f, 2) * 4 : (int32_t)below(f, 200);
	if (below(f, 20) == 0)
		*off = (int16_t)number(f);
	return reg;
}

static void put_memory(struct fuzzer *f)
{
	static const int32_t atomics[] = { 0, 0x40, 0x50, 0xa0, 1, 0x41, 0x51, 0xa1, 0xe1, 0xf1 };
	uint8_t size = (uint8_t)(below(f, 4) << 3);
	int32_t off;
	uint32_t reg = base(f, &off), other = below(f, 10);

	switch (below(f, 7)) {
	case 0:
	case 1:
		put(f, 0x61 | size, other, reg, off, 0);
		break;
	case 2:
		put(f, 0x81 | (size == 0x18 ? 0 : size), other, reg, off, 0);
		break;
	case 3:
		put(f, 0x63 | size, reg, other, off, 0);
		break;
	case 4:
		put(f, 0x62 | size, reg, 0, off, number(f));
		break;
	case 5: /* load_acquire, store_release */
		if (below(f, 2))
			put(f, 0xc3 | size, other, reg, off, 0x100);
		else
			put(f, 0xc3 | size, reg, other, off, 0x110);
		break;
	default:
		put(f, (uint8_t)(0xc3 | (size & 0x18 ? 0x18 : 0)), reg, other, off,
		    atomics[below(f, sizeof(atomics) / sizeof(*atomics))]);
	}
}

static void put_wide(struct fuzzer *f, uint32_t dst, uint32_t src, int32_t low, int32_t high)
{
	if (f->n + 2 > INSNS_MAX)
		return;
	put(f, 0x18, dst, src, 0, low);
	put(f, 0, 0, 0, 0, high);
}

/* An argument that some helper may like. */
static void put_argument(struct fuzzer *f, uint32_t reg)
{
	switch (below(f, 7)) {
	case 0:
		put_wide(f, reg, 1, (int32_t)below(f, N_MAPS), 0);
		break;
	case 1:
		put(f, 0xbf, reg, 6, 0, 0);
		break;
	case 2:
	case 3:
		put(f, 0xbf, reg, 10, 0, 0);
		put(f, 0x07, reg, 0, 0, -8 * (int32_t)(1 + below(f, 64)));
		break;
	case 4:
		put(f, 0xbf, reg, 7 + below(f, 3), 0, 0);
		break;
	default:
		put(f, 0xb7, reg, 0, 0, below(f, 3) ? (int32_t)below(f, 40) : number(f));
	}
}

static void put_call(struct fuzzer *f)
{
	static const uint8_t with_map[] = { 1, 2, 3, 87, 88, 89, 130, 131, 134, 195 };
	static const uint8_t ids[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 22, 23, 24, 25, 26, 27, 28,
		32, 34, 35, 36, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 50, 54, 58, 65, 67, 68, 79, 80,
		83, 87, 88, 89, 93, 94, 97, 105, 106, 109, 112, 113, 114, 115, 117, 118, 120, 122, 123, 125, 130,
		131, 132, 133, 134, 135, 148, 151, 152, 155, 160, 165, 173, 174, 177, 181, 182, 188, 189, 190, 195, 208,
	};
	uint32_t arguments = below(f, 6), kind = below(f, 12);
	uint8_t id = below(f, 100) ? ids[below(f, sizeof(ids))] : (uint8_t)below(f, 256);

	for (uint32_t reg = 1; reg <= arguments; reg++)
		put_argument(f, reg);
	if (kind < 3) {
		put_wide(f, 1, 1, (int32_t)below(f, N_MAPS), 0);
		id = with_map[below(f, sizeof(with_map))];
	} else if (kind < 7) {
		put(f, 0xbf, 1, 6, 0, 0);
	}
	if (kind == 11)
		put(f, 0x85, 0, 2, 0, (int32_t)below(f, 3));
	else if (kind == 10)
		put_wide(f, 2, 1, 2, 0), put(f, 0x85, 0, 0, 0, below(f, 2) ? 12 : 25);
	else
		put(f, 0x85, 0, 0, 0, id);
	if (below(f, 3) == 0)
		put(f, 0xbf, 9, 0, 0, 0); /* what it gave may be a pointer */
}

/* A format of the stack's, with arguments beside it and the output anywhere, also over both. */
static void put_snprintf(struct fuzzer *f)
{
	static const char letters[] = "%%%%%%%%0123456789-+ ddisxXuclpk.,|a";
	enum { FORMAT = -64, ARGUMENTS = -128, WORDS = 6 };

	for (int32_t word = 0; word < WORDS; word++) {
		int32_t text = 0;

		for (int i = 0; i < 4; i++)
			text = (int32_t)((uint32_t)text << 8 | (uint8_t)letters[below(f, sizeof(letters) - 1)]);
		put(f, 0x62, 10, 0, FORMAT + 4 * word, text);
	}
	put(f, 0x62, 10, 0, FORMAT + 4 * WORDS, 0);
	for (int32_t i = 0; i < 4; i++) {
		put_argument(f, 1);
		put(f, 0x7b, 10, 1, ARGUMENTS + 8 * i, 0);
	}
	for (uint32_t reg = 1; reg <= 4; reg++)
		if (reg != 2)
			put(f, 0xbf, reg, 10, 0, 0);
	put(f, 0x07, 1, 0, 0, -(int32_t)(1 + below(f, 200)));
	put(f, 0xb7, 2, 0, 0, (int32_t)below(f, 100));
	put(f, 0x07, 3, 0, 0, FORMAT);
	put(f, 0x07, 4, 0, 0, ARGUMENTS);
	put(f, 0xb7, 5, 0, 0, 8 * (int32_t)below(f, 6));
	put(f, 0x85, 0, 0, 0, 165);
}

/* Jumps and calls: targets are set when the program's length is known. */
static void put_jump(struct fuzzer *f)
{
	uint8_t operation = (uint8_t)(below(f, 14) << 4), class = below(f, 2) ? 5 : 6, x = below(f, 2) ? 8 : 0;

	if (operation == 0x80 || operation == 0x90)
		operation = 0;
	if (below(f, 12) == 0)
		put(f, 0xe5, 0, 0, 0, 0); /* may_goto */
	else if (operation == 0)
		put(f, 5, 0, 0, 0, 0);
	else
		put(f, operation | class | x, below(f, 11), x ? below(f, 11) : 0, 0, x ? 0 : number(f));
}

static void put_function(struct fuzzer *f)
{
	if (below(f, 2)) {
		put(f, 0x85, 0, 1, 0, 0);
		return;
	}
	put(f, 0xb7, 1, 0, 0, (int32_t)below(f, 20));
	put_wide(f, 2, 4, 0, 0);
	put(f, 0xbf, 3, 10, 0, 0);
	put(f, 0xb7, 4, 0, 0, 0);
	put(f, 0x85, 0, 0, 0, 181);
}

static void put_packet_load(struct fuzzer *f)
{
	uint8_t size = (uint8_t)(below(f, 3) << 3);

	put(f, (uint8_t)((below(f, 2) ? 0x20 : 0x40) | size), 0, 0, 0, below(f, 2) ? (int32_t)below(f, 80) : number(f));
}

static void put_one(struct fuzzer *f)
{
	switch (below(f, 10)) {
	case 0:
	case 1:
	case 2:
		put_alu(f);
		break;
	case 3:
	case 4:
	case 5:
		put_memory(f);
		break;
	case 6:
	case 7:
		put_call(f);
		break;
	case 8:
		put_jump(f);
		break;
	default:
		if (below(f, 12) == 0)
			put_snprintf(f);
		else if (below(f, 3) == 0)
			put_function(f);
		else if (below(f, 2))
			put_packet_load(f);
		else
			put_wide(f, below(f, 10), 0, number(f), number(f));
	}
}

static int is_target(const struct fuzzer *f, uint32_t at)
{
	return at == 0 || f->slots[at - 1].code != 0x18;
}

/* Sends the jump at a slot into [begin, end), wide instructions' second slots left out. */
static int32_t distance(struct fuzzer *f, uint32_t at, uint32_t begin, uint32_t end)
{
	uint32_t target = begin + below(f, end - begin);

	while (!is_target(f, target))
		target--;
	return (int32_t)target - (int32_t)at - 1;
}

static void set_targets(struct fuzzer *f, uint32_t half)
{
	for (uint32_t at = 0; at < f->n; at++) {
		struct slot *s = &f->slots[at];
		uint32_t begin = at < half ? 0 : half, end = at < half ? half : f->n;

		if ((s->code == 0x85 && s->regs >> 4 == 1) || (s->code == 0x18 && s->regs >> 4 == 4))
			s->imm = (int32_t)half - (int32_t)at - 1;
		else if (((s->code & 7) == 5 || (s->code & 7) == 6) && s->code != 0x85 && s->code != 0x95)
			s->off = (int16_t)distance(f, at, begin, end);
		at += s->code == 0x18;
	}
}

/* What most programs want: the context, the packet and a map's value in registers. */
static void put_beginning(struct fuzzer *f)
{
	put(f, 0xbf, 6, 1, 0, 0);
	put(f, 0x61, 7, 6, below(f, 2) ? 76 : 0, 0);
	put(f, 0x61, 8, 6, below(f, 2) ? 80 : 4, 0);
	put_wide(f, 9, 2, 9, (int32_t)below(f, 26));
	for (uint32_t reg = 0; reg < 6; reg++)
		if (below(f, 2))
			put(f, 0xb7, reg, 0, 0, number(f));
}

static void make_program(struct fuzzer *f)
{
	uint32_t room = 4 + below(f, 40), half;

	f->n = 0;
	put_beginning(f);
	while (f->n < room)
		put_one(f);
	put(f, 0x95, 0, 0, 0, 0);
	half = f->n;
	put(f, 0xbf, 6, 2, 0, 0);
	while (f->n < half + room && f->n < INSNS_MAX - 8)
		put_one(f);
	put(f, 0xb7, 0, 0, 0, (int32_t)below(f, 2));
	put(f, 0x95, 0, 0, 0, 0);
	set_targets(f, half);
	if (below(f, 8) == 0)
		((uint8_t *)f->slots)[below(f, f->n * 8)] = (uint8_t)below(f, 256);
	if (below(f, 50) == 0)
		for (uint32_t i = 0; i < f->n * 8; i++)
			((uint8_t *)f->slots)[i] = (uint8_t)below(f, 256);
}

static void run(struct fuzzer *f, struct p2b_vm_prog *prog)
{
	uint8_t ctx[192] = { 0 }, ctx_out[192];
	uint32_t size = below(f, 30) ? 14 + below(f, PACKET_MAX - 14) : below(f, 14), ctx_size = below(f, 193);
	uint8_t *packet = malloc(size), *out = malloc(P2B_VM_PACKET_MAX);
	struct p2b_vm_run r = { .data = packet, .data_size = size, .data_out = out, .data_cap = P2B_VM_PACKET_MAX,
				.ctx = ctx, .ctx_size = below(f, 4) ? 0 : ctx_size, .ctx_out = ctx_out,
				.budget = 3000, .repeat = below(f, 3) };
	int err;

	CHECK(packet && out);
	for (uint32_t i = 0; i < size; i++)
		packet[i] = (uint8_t)below(f, 256);
	if (below(f, 2) && size > 16)
		memcpy(packet + 12, below(f, 2) ? "\x08\0\x45" : "\x81\0\0", 3);
	if (below(f, 2))
		ctx[below(f, sizeof(ctx))] = (uint8_t)below(f, 256);
	err = vm_run(prog, &r);
	if (err == -EINVAL) {
		r.data_size = 0;
		err = vm_run(prog, &r);
	}
	CHECK(err == 0 || err == -EINVAL || err == -EFAULT || err == -E2BIG);
	CHECK((err == -EFAULT) == (r.fault.what[0] != 0));
	CHECK(r.insns < 3 * (3000 + INSNS_MAX));
	f->clean += err == 0;
	f->insns += r.insns;
	free(packet);
	free(out);
}

static void set_up(struct fuzzer *f)
{
	static const struct slot answer[] = { { 0xb7, 0, 0, 42 }, { 0x95, 0, 0, 0 } };
	struct p2b_fault fault;

	CHECK(p2b_vm_create(2, &f->vm) == 0);
	for (int i = 0; i < N_MAPS; i++)
		CHECK(vm_map_create(f->vm, &specs[i], &f->maps[i]) == 0);
	CHECK(vm_queue_read(f->maps[3], 1, 0, &f->reader) == 0);
	CHECK(vm_prog_create(f->vm, answer, 2, 3, NULL, 0, NULL, 0, &fault, &f->target) == 0);
	CHECK(vm_map_set_prog(f->maps[2], 1, f->target, 7) == 0);
}

static void tear_down(struct fuzzer *f)
{
	uint64_t lost;
	char *text = malloc(1 << 20);

	CHECK(text);
	while (p2b_vm_trace(f->vm, text, 1 << 20, &lost) > 0)
		;
	free(text);
	p2b_reader_destroy(f->reader);
	p2b_vm_destroy(f->vm); /* maps and programs hold it */
	for (int i = 0; i < N_MAPS; i++)
		vm_map_destroy(f->maps[i]);
	vm_prog_destroy(f->target);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

void check_vm_fuzz(void)
{
	static const uint32_t types[] = { 1, 3, 3, 6, 6, 8, 17, 2 };
	struct fuzzer f = { .random = setting("P2B_FUZZ_SEED", 0x9e3779b97f4a7c15ull) | 1 };
	uint64_t runs = setting("P2B_FUZZ_RUNS", RUNS);

	set_up(&f);
	for (uint64_t i = 0; i < runs; i++) {
		struct p2b_vm_prog *prog;
		struct p2b_fault fault;
		int err;

		make_program(&f);
		err = vm_prog_create(f.vm, f.slots, f.n, types[below(&f, 8)], f.maps, N_MAPS, kfuncs, 3, &fault,
					 &prog);
		CHECK(err == 0 || (err == -EINVAL && fault.index <= f.n && fault.what[0]));
		if (err)
			continue;
		f.accepted++;
		run(&f, prog);
		vm_prog_destroy(prog);
	}
	if (getenv("P2B_FUZZ_RUNS"))
		fprintf(stderr, "%llu programs, %llu accepted, %llu without a fault, %llu instructions\n",
			(unsigned long long)runs, (unsigned long long)f.accepted, (unsigned long long)f.clean,
			(unsigned long long)f.insns);
	/* Most must be refused neither at once nor at their first instruction, or little is tried. */
	CHECK(runs < 1000 || (f.accepted > runs / 4 && f.clean > runs / 100 && f.insns > 10 * runs));
	tear_down(&f);
}
