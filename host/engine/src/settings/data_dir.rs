//! Where leases and policies are kept when nobody says otherwise.
//!
//! The same process must find the same place at ADD and at DEL, so only owners decide, and not what can be written at the
//! moment: a file system may become read-only in between.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The default of root.
pub const DATA_DIR: &str = "/var/lib/gingham";

/// What that is made in.
const STATE_DIR: &str = "/var/lib";

/// What podman mounts a user's own directory over, in the user namespace that it makes for containers without root.
const CNI_STATE_DIR: &str = "/var/lib/cni";
const DATA_DIR_BELOW_CNI: &str = "/var/lib/cni/gingham";

/// The data directory when the configuration has no `ipam.dataDir`: `/var/lib/gingham`. Where that (or, while it does not
/// exist, `/var/lib`) belongs to another user and `/var/lib/cni` to this one, it is `/var/lib/cni/gingham`. Root outside
/// of user namespaces always has the former.
pub fn default_data_dir() -> PathBuf {
    let owner = |path: &str| fs::metadata(path).ok().map(|meta| meta.uid());
    choose(rustix::process::geteuid().as_raw(), owner, is_initial_user_namespace).into()
}

/// The directory of installed policies when nobody says otherwise.
pub fn default_library() -> PathBuf {
    default_data_dir().join("policies")
}

fn choose(user: u32, owner: impl Fn(&str) -> Option<u32>, is_initial: impl FnOnce() -> bool) -> &'static str {
    let of_usual = owner(DATA_DIR).or_else(|| owner(STATE_DIR));
    let is_ours = of_usual.is_none_or(|owner| owner == user) || (user == 0 && is_initial());
    if is_ours || owner(CNI_STATE_DIR) != Some(user) { DATA_DIR } else { DATA_DIR_BELOW_CNI }
}

/// The one namespace in which every user stands for itself.
fn is_initial_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_decide_where_leases_are_kept() {
        let chosen = |user: u32, is_initial: bool, owners: &[(&str, u32)]| {
            let owner = |path: &str| owners.iter().find(|(owned, _)| *owned == path).map(|(_, owner)| *owner);
            choose(user, owner, || is_initial)
        };
        let others = [(STATE_DIR, 65534), (CNI_STATE_DIR, 65534)];
        let podmans = [(STATE_DIR, 65534), (CNI_STATE_DIR, 0)];
        assert_eq!(chosen(0, false, &podmans), DATA_DIR_BELOW_CNI);
        assert_eq!(chosen(0, false, &others), DATA_DIR, "nothing is this user's: an error names the usual one");
        assert_eq!(chosen(0, false, &[(STATE_DIR, 0), (CNI_STATE_DIR, 0)]), DATA_DIR, "it can be made");
        let roots_too = [(DATA_DIR, 65534), (STATE_DIR, 65534), (CNI_STATE_DIR, 0)];
        assert_eq!(chosen(0, false, &roots_too), DATA_DIR_BELOW_CNI, "the host's root keeps its own");
        assert_eq!(chosen(0, false, &[(DATA_DIR, 0), (STATE_DIR, 65534), (CNI_STATE_DIR, 0)]), DATA_DIR);
        assert_eq!(chosen(0, true, &roots_too), DATA_DIR, "root, although a restore changed the owner");
        assert_eq!(chosen(1000, true, &podmans), DATA_DIR, "a user without a namespace");
    }
}
