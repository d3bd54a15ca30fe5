//! The kernel's boot id: leases of another boot than this one are dead, so it counts only when it certainly is one.

use std::io;

const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// Where the hyphens of a UUID are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Which boot this is cannot be found out.
#[derive(Debug, thiserror::Error)]
pub enum BootIdError {
    #[error("cannot read the boot id in {PATH}: {source}; mount /proc")]
    Unreadable { source: io::Error },
    /// Something hides it, as sandboxes do, or the kernel has none.
    #[error(
        "cannot use the boot id in {PATH}: {found:?} is not a UUID, so leases of this boot cannot be distinguished from older \
         ones; nothing was changed; remove the mount that hides the file"
    )]
    NotAUuid { found: String },
}

/// The identity of this boot.
///
/// # Errors
/// [`BootIdError`]. Nothing may be taken for dead then.
pub fn read() -> Result<String, BootIdError> {
    let text = std::fs::read(PATH).map_err(|source| BootIdError::Unreadable { source })?;
    let text = String::from_utf8_lossy(&text);
    parse(text.trim())
}

/// Whether a text names one boot and no other.
pub(crate) fn is_certain(text: &str) -> bool {
    parse(text).is_ok()
}

fn parse(text: &str) -> Result<String, BootIdError> {
    let fits =
        |(place, byte): (usize, u8)| if HYPHENS.contains(&place) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    let is_uuid = text.len() == 36 && text.bytes().enumerate().all(fits);
    // The same in every boot: the nil UUID of systems that have no random numbers to show.
    let is_nil = text.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    if is_uuid && !is_nil {
        return Ok(text.to_owned());
    }
    Err(BootIdError::NotAUuid { found: text.chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_names_a_boot() {
        let uuid = "5f0f1b3c-9a6e-4c11-8000-00000000000a";
        assert_eq!(parse(uuid).unwrap(), uuid);
        for not in [
            "",
            "0",
            "none",
            "00000000-0000-0000-0000-000000000000",
            "5f0f1b3c-9a6e-4c11-8000-00000000000",
            "5f0f1b3c-9a6e-4c11-8000-00000000000aa",
            "5f0f1b3c9a6e-4c11-8000-000000000000aa",
            "5f0f1b3c-9a6e-4c11-8000-00000000000g",
            "5f0f1b3c-9a6e-4c11-8000-00000000ä0a",
        ] {
            let error = parse(not).unwrap_err().to_string();
            assert!(error.contains(&format!("{not:?} is not a UUID")), "{error}");
        }
        assert!(parse(&"x".repeat(10_000)).unwrap_err().to_string().len() < 300);
        assert_eq!(read().unwrap().len(), 36);
    }
}
