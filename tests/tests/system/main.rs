//! The whole system, through the plugin's binary, on a node that belongs to each test alone. Files are named after the
//! property they hold.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod a_hundred_adds_at_once;
mod addresses_are_explained;
mod addresses_asked_for_by_name;
mod addresses_of_a_cluster;
mod attachments_end_cleanly;
mod bad_values_name_their_key;
mod bridge_options_reach_the_kernel;
mod broken_states_are_noticed;
mod config_is_read_leniently;
mod container_ends_that_stay_down;
mod containers_that_are_gone;
mod cooldown_and_exclude;
mod damaged_store;
mod facts_of_kubernetes;
mod failed_adds_cost_no_address;
mod gc_beside_add;
mod histories_are_recorded;
mod installed_policies;
mod killed_at_any_moment;
mod limits_of_the_caller;
mod long_names;
mod masquerade_is_one_for_all;
mod one_address_one_holder;
mod one_network_many_ranges;
mod policies_in_javascript;
mod policies_of_ones_own;
mod pools_that_drain;
mod processes_with_little;
mod read_only_sysctls;
mod reserved_addresses;
mod results_that_nobody_received;
mod roles_by_name;
mod seed_config;
mod shadows_decide_nothing;
mod spoofed_frames_are_dropped;
mod steps_are_logged_on_request;
mod survives_a_reboot;
mod two_hundred_at_once;
mod versions_share_a_store;
mod vlans_or_a_clear_error;
mod waiting_has_a_bound;
mod wrong_files;
