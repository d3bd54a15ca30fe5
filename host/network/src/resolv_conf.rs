//! The file that `ipam.resolvConf` names: read here, because a policy has no files.

use std::io;
use std::path::Path;

use gingham_cni::result::Dns;
use gingham_untrusted::file::{self, LARGEST_CONFIGURATION};

/// A file that cannot be read. CNI code 5.
#[derive(Debug, thiserror::Error)]
#[error("ipam.resolvConf: cannot read {path}: {source}")]
pub struct ResolvConfError {
    pub path: String,
    pub source: io::Error,
}

/// Reads a file of this kind.
pub(crate) fn read(path: &str) -> Result<Dns, ResolvConfError> {
    let bytes = file::read(Path::new(path), LARGEST_CONFIGURATION)
        .map_err(|source| ResolvConfError { path: path.to_owned(), source: source.into() })?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// The reference's rules: `#` and `;` begin comments, lines of one word and unknown words are skipped, the last
/// `domain` counts, and everything else adds up.
fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut words = line.split_whitespace();
        let (keyword, Some(first)) = (words.next(), words.next()) else { continue };
        match keyword {
            Some("nameserver") => dns.nameservers.push(first.to_owned()),
            Some("domain") => first.clone_into(&mut dns.domain),
            Some("search") => dns.search.extend(std::iter::once(first).chain(words).map(str::to_owned)),
            Some("options") => dns.options.extend(std::iter::once(first).chain(words).map(str::to_owned)),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_keywords_are_read_and_comments_are_not() {
        let dns = parse(
            "# c\n; c\nnameserver 10.0.0.1\n nameserver 10.0.0.2 x\ndomain a.b\ndomain c.d\nsearch a b\nsearch c\noptions ndots:5\nfoo bar\nsearch\n",
        );
        assert_eq!(dns.nameservers, ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(dns.domain, "c.d");
        assert_eq!(dns.search, ["a", "b", "c"]);
        assert_eq!(dns.options, ["ndots:5"]);
    }

    #[test]
    fn what_is_not_a_short_regular_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        for path in [pipe.to_str().unwrap(), "/dev/zero", "/"] {
            let text = read(path).unwrap_err().to_string();
            assert!(text.contains("only regular files are read"), "{path}: {text}");
        }
        let long = directory.path().join("long");
        std::fs::File::create(&long).unwrap().set_len(LARGEST_CONFIGURATION + 1).unwrap();
        let text = read(long.to_str().unwrap()).unwrap_err().to_string();
        assert!(text.contains("it is larger than 1048576 bytes"), "{text}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = read("/nowhere/resolv.conf").unwrap_err().to_string();
        assert!(text.starts_with("ipam.resolvConf: cannot read /nowhere/resolv.conf: "), "{text}");
    }
}
