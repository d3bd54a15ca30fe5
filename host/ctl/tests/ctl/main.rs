//! `ginghamctl` as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clusters_are_administered;
mod clusters_in_kubernetes_are_administered;
mod clusters_move_between_stores;
mod configurations_are_explained;
mod gc_frees_only_the_dead;
mod kubectl_shows_the_cluster;
mod leases_are_shown;
mod nodes_are_cleared_in_order;
mod pages_are_true;
mod policies_are_called;
mod policies_are_checked;
mod policies_are_compiled_once;
mod policies_are_installed_whole;
mod policies_are_shipped;
mod policies_begin_outside;
mod policies_pass_their_cases;
mod program;
mod programs_are_installed_whole;
mod refused_policies_say_why;
mod try_shows_a_cluster;
mod try_shows_the_whole_way;
mod usage_is_explained;
mod wrong_cases_are_named;
