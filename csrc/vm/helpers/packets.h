/* Packets' helper functions: their table is vm/helpers/table.c's. */
#ifndef P2B_VM_PACKETS_H
#define P2B_VM_PACKETS_H

#include "vm/budget.h"
#include "vm/mem.h"

/* vm/helpers/csum.c */
vm_helper vm_l3_csum_replace, vm_l4_csum_replace, vm_csum_diff;

/* vm/helpers/skb.c */
vm_helper vm_skb_load_bytes, vm_skb_load_bytes_relative, vm_skb_store_bytes, vm_skb_pull_data;
vm_helper vm_skb_change_tail, vm_skb_change_head, vm_skb_adjust_room;

/* vm/helpers/vlan.c */
vm_helper vm_skb_vlan_push, vm_skb_vlan_pop;

/* vm/helpers/skb_fields.c */
vm_helper vm_skb_change_type, vm_set_hash, vm_set_hash_invalid, vm_get_hash_recalc, vm_skb_ecn_set_ce;
vm_helper vm_redirect, vm_redirect_peer, vm_redirect_neigh, vm_csum_level;

/* vm/helpers/xdp.c */
vm_helper vm_xdp_adjust_head, vm_xdp_adjust_tail, vm_xdp_adjust_meta, vm_xdp_redirect;
vm_helper vm_xdp_get_buff_len, vm_xdp_load_bytes, vm_xdp_store_bytes;

/* The packet's bytes [offset, offset + size) to be changed, or NULL where it has not so many. */
uint8_t *vm_packet_at(struct vm_state *state, uint64_t offset, uint64_t size);

/* What LD_ABS and LD_IND load: 1 and the value in host order, or 0. */
int vm_packet_load(struct vm_state *state, int64_t offset, uint32_t size, uint64_t *value);

#endif
