//! Names of networks and containers within the lengths that the kernel allows.

use sha2::{Digest, Sha256};

/// Hexadecimal digits: 80 bits, so that nobody finds two names with the same beginning and hash.
const DIGITS: usize = 20;

/// The name, or its beginning, a slash and a hash of all of it: at most `longest` bytes, at least 21. No network's and no
/// container's name can hold a slash, so a short name is nobody's whole name. Every reader computes the same text.
pub fn short_name(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    let hash: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
    let beginning = name.floor_char_boundary(longest.saturating_sub(1 + DIGITS));
    format!("{}/{}", &name[..beginning], &hash[..DIGITS])
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
