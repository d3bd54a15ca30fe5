//! Names of networks and containers within the kernel's limits of length.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Hexadecimal digits: 80 bits, so that two names with the same beginning and hash cannot be found.
const DIGITS: usize = 20;

/// The name, or its beginning, a slash and its hash: at most `longest` bytes, which are at least 21. Names of networks and
/// containers contain no slash, so no truncated name is the name of another. The result is the same in all versions.
pub fn truncate_name(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    let beginning = name.floor_char_boundary(longest.saturating_sub(1 + DIGITS));
    let mut short = format!("{}/", &name[..beginning]);
    for byte in &Sha256::digest(name)[..DIGITS / 2] {
        // Writing to a text cannot fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_whole_and_what_does_not_stays_different() {
        assert_eq!(truncate_name("mynet", 5), "mynet");
        let [one, other] = ["1", "2"].map(|last| truncate_name(&format!("{}{last}", "n".repeat(254)), 247));
        assert_eq!((one.len(), other.len()), (247, 247));
        assert!(one != other && one.starts_with("nnn") && one.contains('/'), "{one} {other}");
    }
}
