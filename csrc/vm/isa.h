/* Decoded instructions: one for every slot, so that an instruction's index is also its slot's. */
#ifndef P2B_VM_ISA_H
#define P2B_VM_ISA_H

#include "vm/machine.h"
#include "vm/map/map.h"
#include "vm/prog.h"

/* Arithmetic, each in four forms (below). VM_ALU_PLAIN has the operations that RFC 9669 encodes without an offset. */
#define VM_ALU_OPS(_) \
	_(ADD) _(SUB) _(MUL) _(DIV) _(OR) _(AND) _(LSH) _(RSH) _(MOD) _(XOR) _(MOV) _(ARSH) _(SDIV) _(SMOD)
#define VM_JUMP_OPS(_) \
	_(JEQ) _(JGT) _(JGE) _(JSET) _(JNE) _(JSGT) _(JSGE) _(JLT) _(JLE) _(JSLT) _(JSLE)
#define VM_ATOMIC_OPS(_) \
	_(AADD) _(AOR) _(AAND) _(AXOR) _(FADD) _(FOR) _(FAND) _(FXOR) _(XCHG) _(CMPXCHG)
#define VM_SINGLE_OPS(_) \
	_(NEG64) _(NEG32) \
	_(SX8) _(SX16) _(SX32) _(SX8_32) _(SX16_32) \
	_(ZX16) _(NOP) _(SWAP16) _(SWAP32) _(SWAP64) \
	_(LOAD8) _(LOAD16) _(LOAD32) _(LOAD64) _(LOADS8) _(LOADS16) _(LOADS32) \
	_(STORE8) _(STORE16) _(STORE32) _(STORE64) _(PUT8) _(PUT16) _(PUT32) _(PUT64) \
	_(ACQUIRE8) _(ACQUIRE16) _(ACQUIRE32) _(ACQUIRE64) _(RELEASE8) _(RELEASE16) _(RELEASE32) _(RELEASE64) \
	_(ABS8) _(ABS16) _(ABS32) _(IND8) _(IND16) _(IND32) \
	_(LD64) _(SECOND) _(JA) _(MAY_GOTO) _(HELPER) _(CHECKED) _(LOCAL) _(TAIL) _(EXIT)

/* An operation's forms: with a constant or a register, of 64 or 32 bits. Atomic operations: 64 or 32 bits. */
#define VM_FORMS(op) OP_##op##64K, OP_##op##64X, OP_##op##32K, OP_##op##32X,
#define VM_WIDTHS(op) OP_##op##64, OP_##op##32,
#define VM_ONE(op) OP_##op,
enum vm_op {
	VM_ALU_OPS(VM_FORMS)
	VM_JUMP_OPS(VM_FORMS)
	VM_ATOMIC_OPS(VM_WIDTHS)
	VM_SINGLE_OPS(VM_ONE)
	VM_OPS
};

struct vm_state;
struct vm_helper_row;
typedef uint64_t vm_helper(struct vm_state *state, const uint64_t *args);

struct vm_insn {
	uint8_t op, dst, src;
	uint8_t start;          /* a subprogram begins here */
	int32_t off;            /* of a jump: to its target, in instructions from this one */
	union {
		int64_t imm;
		vm_helper *helper;
		const struct vm_helper_row *row;        /* of a helper function whose arguments are checked first */
	};
};

/* What kind of context the program has. */
enum vm_class { VM_PLAIN, VM_SKB, VM_XDP };

struct p2b_vm_prog {
	struct p2b_vm *vm;
	uint32_t refs;
	uint32_t type, n_maps, n_insns;
	enum vm_class class;
	struct vm_map **maps;
	struct vm_insn *insns;
};

/* Helpers and kernel functions that the machine knows. */
struct vm_helper_row {
	uint32_t id;
	int32_t types;          /* a bit for each type of program that may call it; the last for all further types */
	const char *args;       /* the arguments that vm_arguments checks, a letter for each */
	vm_helper *fn;
};

enum { VM_TAIL_CALL = 12 };

/* The row for a type of programs. -ENOENT for an unknown number, -EPERM where the type isn't offered the helper. */
int vm_find_helper(uint32_t id, uint32_t prog_type, const struct vm_helper_row **found);
vm_helper *vm_find_kfunc(const char *name);

/* Whether a helper's arguments are of these kinds; if not, the program faults. */
int vm_arguments(struct vm_state *state, const char *kinds, const uint64_t *args);

/* Fills prog->insns from slots; -EINVAL with *fault. */
struct vm_code {
	const struct slot *slots;
	uint32_t n;
	const char *const *kfuncs;
	uint32_t n_kfuncs;
	struct p2b_fault *fault;
};
int vm_decode(struct p2b_vm_prog *prog, const struct vm_code *code);

#endif
