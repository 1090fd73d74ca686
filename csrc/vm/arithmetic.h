/* The expressions that instructions compute: arithmetic, conditions, and the results of atomic operations. */
#ifndef P2B_VM_ARITHMETIC_H
#define P2B_VM_ARITHMETIC_H

#include <stdint.h>
#include <string.h>

/* Values at any address, aligned or not: memcpy becomes one move. */
#define ACCESS(bits)                                                                           \
	static inline uint##bits##_t get##bits(const uint8_t *at)                              \
	{                                                                                      \
		uint##bits##_t value;                                                          \
		memcpy(&value, at, sizeof(value));                                             \
		return value;                                                                  \
	}                                                                                      \
	static inline void put##bits(uint8_t *at, uint##bits##_t value)                        \
	{                                                                                      \
		memcpy(at, &value, sizeof(value));                                             \
	}
ACCESS(8)
ACCESS(16)
ACCESS(32)
ACCESS(64)

/* Division as in RFC 9669: x / 0 is 0, x % 0 is x, and the least number divided by -1 wraps. */
#define DIVISION(bits)                                                                         \
	static inline uint##bits##_t sdiv##bits(uint##bits##_t a, uint##bits##_t b)            \
	{                                                                                      \
		if (b == 0)                                                                    \
			return 0;                                                              \
		if (b == (uint##bits##_t)-1)                                                   \
			return (uint##bits##_t)0 - a;                                          \
		return (uint##bits##_t)((int##bits##_t)a / (int##bits##_t)b);                  \
	}                                                                                      \
	static inline uint##bits##_t smod##bits(uint##bits##_t a, uint##bits##_t b)            \
	{                                                                                      \
		if (b == 0)                                                                    \
			return a;                                                              \
		if (b == (uint##bits##_t)-1)                                                   \
			return 0;                                                              \
		return (uint##bits##_t)((int##bits##_t)a % (int##bits##_t)b);                  \
	}
DIVISION(32)
DIVISION(64)

#define CALC_ADD(n) (a + b)
#define CALC_SUB(n) (a - b)
#define CALC_MUL(n) (a * b)
#define CALC_DIV(n) (b ? a / b : 0)
#define CALC_SDIV(n) sdiv##n(a, b)
#define CALC_MOD(n) (b ? a % b : a)
#define CALC_SMOD(n) smod##n(a, b)
#define CALC_OR(n) (a | b)
#define CALC_AND(n) (a & b)
#define CALC_XOR(n) (a ^ b)
#define CALC_LSH(n) (a << (b & (n - 1)))
#define CALC_RSH(n) (a >> (b & (n - 1)))
#define CALC_ARSH(n) ((uint##n##_t)((int##n##_t)a >> (b & (n - 1))))
#define CALC_MOV(n) ((void)a, b)

#define TEST_JEQ(n) (a == b)
#define TEST_JGT(n) (a > b)
#define TEST_JGE(n) (a >= b)
#define TEST_JSET(n) ((a & b) != 0)
#define TEST_JNE(n) (a != b)
#define TEST_JSGT(n) ((int##n##_t)a > (int##n##_t)b)
#define TEST_JSGE(n) ((int##n##_t)a >= (int##n##_t)b)
#define TEST_JLT(n) (a < b)
#define TEST_JLE(n) (a <= b)
#define TEST_JSLT(n) ((int##n##_t)a < (int##n##_t)b)
#define TEST_JSLE(n) ((int##n##_t)a <= (int##n##_t)b)

/* What an atomic operation stores, from the value in memory (a) and the register (b). */
#define ATOM_AADD (a + b)
#define ATOM_AOR (a | b)
#define ATOM_AAND (a & b)
#define ATOM_AXOR (a ^ b)
#define ATOM_FADD ATOM_AADD
#define ATOM_FOR ATOM_AOR
#define ATOM_FAND ATOM_AAND
#define ATOM_FXOR ATOM_AXOR
#define ATOM_XCHG b

#endif
