/* The packet's bytes, for helper functions and for instructions that load from it. */
#ifndef P2B_VM_PACKETS_H
#define P2B_VM_PACKETS_H

#include "vm/helpers/helpers.h"

/* The packet's bytes [offset, offset + size), to be changed, or NULL if the packet is too short. */
uint8_t *vm_packet_at(struct vm_state *state, uint64_t offset, uint64_t size);

/* Loads as LD_ABS and LD_IND do: 1 and the value in host order, or 0 if the packet is too short. */
int vm_packet_load(struct vm_state *state, int64_t offset, uint32_t size, uint64_t *value);

#endif
