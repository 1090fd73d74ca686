"""Facts about the tracepoints of Linux 6.18 that BTF lacks, for processes that may not read tracefs."""

from __future__ import annotations

from typing import Final

_EVENTS: Final[dict[str, str]] = {
    "block_bio": "block_bio_backmerge block_bio_frontmerge block_bio_queue block_getrq",
    "block_buffer": "block_dirty_buffer block_touch_buffer",
    "block_rq": (
        "blk_zone_append_update_request_bio block_io_done block_io_start block_rq_insert block_rq_issue "
        "block_rq_merge"
    ),
    "block_rq_completion": "block_rq_complete block_rq_error",
    "block_zwplug": "blk_zone_wplug_bio disk_zone_wplug_add_bio",
    "cgroup": "cgroup_freeze cgroup_mkdir cgroup_release cgroup_rename cgroup_rmdir cgroup_unfreeze",
    "cgroup_event": "cgroup_notify_frozen cgroup_notify_populated",
    "cgroup_migrate": "cgroup_attach_task cgroup_transfer_tasks",
    "cgroup_root": "cgroup_destroy_root cgroup_remount cgroup_setup_root",
    "cgroup_rstat": "cgroup_rstat_lock_contended cgroup_rstat_locked cgroup_rstat_unlock",
    "cpu": "cpu_frequency cpu_idle",
    "cpu_latency_qos_request": "pm_qos_add_request pm_qos_remove_request pm_qos_update_request",
    "dev_pm_qos_request": "dev_pm_qos_add_request dev_pm_qos_remove_request dev_pm_qos_update_request",
    "exceptions": "page_fault_kernel page_fault_user",
    "filelock_lease": "break_lease_block break_lease_noblock break_lease_unblock generic_delete_lease time_out_leases",
    "filelock_lock": "fcntl_setlk flock_lock_inode locks_remove_posix posix_lock_inode",
    "hrtimer_class": "hrtimer_cancel hrtimer_expire_exit",
    "mm_filemap_op_page_cache": "mm_filemap_add_to_page_cache mm_filemap_delete_from_page_cache",
    "mm_filemap_op_page_cache_range": "mm_filemap_get_pages mm_filemap_map_pages",
    "mm_page": "mm_page_alloc_zone_locked",
    "mm_vmscan_direct_reclaim_begin_template": (
        "mm_vmscan_direct_reclaim_begin mm_vmscan_memcg_reclaim_begin mm_vmscan_memcg_softlimit_reclaim_begin"
    ),
    "mm_vmscan_direct_reclaim_end_template": (
        "mm_vmscan_direct_reclaim_end mm_vmscan_memcg_reclaim_end mm_vmscan_memcg_softlimit_reclaim_end "
        "mm_vmscan_node_reclaim_end"
    ),
    "neigh__update": (
        "neigh_cleanup_and_release neigh_event_send_dead neigh_event_send_done neigh_timer_handler "
        "neigh_update_done"
    ),
    "net_dev_rx_exit_template": (
        "napi_gro_frags_exit napi_gro_receive_exit netif_receive_skb_exit netif_receive_skb_list_exit "
        "netif_rx_exit"
    ),
    "net_dev_rx_verbose_template": (
        "napi_gro_frags_entry napi_gro_receive_entry netif_receive_skb_entry netif_receive_skb_list_entry "
        "netif_rx_entry"
    ),
    "net_dev_template": "net_dev_queue netif_receive_skb netif_rx",
    "pm_qos_update": "pm_qos_update_flags pm_qos_update_target",
    "sched_numa_pair_template": "sched_stick_numa sched_swap_numa",
    "sched_process_template": "sched_process_exit sched_process_free sched_wait_task",
    "sched_wakeup_template": "sched_wakeup sched_wakeup_new sched_waking",
    "sock_msg_length": "sock_recv_length sock_send_length",
    "softirq": "softirq_entry softirq_exit softirq_raise",
    "tasklet": "tasklet_entry tasklet_exit",
    "tcp_ao_event": "tcp_ao_handshake_failure",
    "tcp_event_sk": "tcp_destroy_sock tcp_rcv_space_adjust tcp_receive_reset",
    "tcp_event_skb": "tcp_bad_csum",
    "tcp_hash_event": (
        "tcp_hash_ao_required tcp_hash_bad_header tcp_hash_md5_mismatch tcp_hash_md5_required "
        "tcp_hash_md5_unexpected"
    ),
    "timer_class": "timer_cancel timer_expire_exit timer_init",
    "wakeup_source": "wakeup_source_activate wakeup_source_deactivate",
    "wbc_class": "wbc_writepage",
    "writeback_class": "writeback_wake_background",
    "writeback_dirty_inode_template": "writeback_dirty_inode writeback_dirty_inode_start writeback_mark_inode_dirty",
    "writeback_folio_template": "folio_wait_writeback writeback_dirty_folio",
    "writeback_inode_template": (
        "sb_clear_inode_writeback sb_mark_inode_writeback writeback_dirty_inode_enqueue writeback_lazytime "
        "writeback_lazytime_iput"
    ),
    "writeback_single_inode_template": "writeback_single_inode writeback_single_inode_start",
    "writeback_work_class": "writeback_exec writeback_queue writeback_start writeback_wait writeback_written",
    "writeback_write_inode_template": "writeback_write_inode writeback_write_inode_start",
    "xdp_redirect_template": "xdp_redirect xdp_redirect_err",
}
"""Classes with another name than their events. The fields of these events are in ``struct trace_event_raw_<class>``,
unless the event has a structure of its own."""

CLASS_OF: Final[dict[str, str]] = {event: name for name, events in _EVENTS.items() for event in events.split()}

NOT_TEXT: Final[dict[tuple[str, str], str]] = {
    ("ipi_send_cpumask", "cpumask"): "cpumask_t",
    ("dma_unmap_sg", "addrs"): "u64",
    ("dma_map_sg_err", "phys_addrs"): "u64",
    ("dma_map_sg", "phys_addrs"): "u64",
    ("dma_map_sg", "dma_addrs"): "u64",
    ("dma_map_sg", "lengths"): "unsigned int",
    ("dma_free_sgt", "phys_addrs"): "u64",
    ("dma_alloc_sgt", "phys_addrs"): "u64",
    ("non_standard_event", "buf"): "u8",
    ("arm_event", "pei_buf"): "u8",
    ("arm_event", "ctx_buf"): "u8",
    ("arm_event", "oem_buf"): "u8",
}
"""The item types of arrays of variable length, by event and field. All other such fields are texts."""
