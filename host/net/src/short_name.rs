//! Names of networks and containers within the lengths that the kernel allows.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Hexadecimal digits: 80 bits, so that nobody finds two names with the same beginning and hash.
const DIGITS: usize = 20;

/// The name, or its beginning, a slash and a hash of all of it: at most `longest` bytes, at least 21. No network's and no
/// container's name can hold a slash, so a short name is nobody's whole name. Every reader computes the same text.
pub fn short_name(name: &str, longest: usize) -> String {
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
        assert_eq!(short_name("mynet", 5), "mynet");
        let [one, other] = ["1", "2"].map(|last| short_name(&format!("{}{last}", "n".repeat(254)), 247));
        assert_eq!((one.len(), other.len()), (247, 247));
        assert!(one != other && one.starts_with("nnn") && one.contains('/'), "{one} {other}");
    }
}
