//! What `ginghamctl explain` can be asked about. What can be neither of them is refused: nothing would hold an address.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why nothing can be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubjectError {
    #[error("the subject is empty: give an address, a pod (NAMESPACE/NAME or NAME) or a container's ID")]
    Empty,
    #[error(
        "invalid address {subject:?}: use one such as 10.1.0.7, a pod (NAMESPACE/NAME or NAME) or a container's ID"
    )]
    NoAddress { subject: String },
    #[error("{subject:?} is an address with a prefix length: leave out the length, as in {address}")]
    WithLength { subject: String, address: IpAddr },
    #[error("{subject:?} is a range: name one address of it, such as {first}")]
    Range { subject: String, first: IpAddr },
    #[error("invalid pod {subject:?}: use NAMESPACE/NAME, such as shop/web-0, or NAME alone")]
    NoPod { subject: String },
    #[error(
        "{subject:?} is no address, pod or container's ID: names of pods and IDs begin with a letter or digit and hold \
         only letters, digits, `_`, `.` and `-`"
    )]
    NoName { subject: String },
}

/// Whether it can be an address, a pod or a container.
pub(super) fn check(subject: &str) -> Result<(), SubjectError> {
    let shown = || subject.to_owned();
    if subject.trim().is_empty() {
        return Err(SubjectError::Empty);
    }
    if subject.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if let Ok(network) = subject.parse::<IpNet>() {
        return Err(SubjectError::WithLength { subject: shown(), address: network.addr() });
    }
    if let Some(first) = first_of_range(subject) {
        return Err(SubjectError::Range { subject: shown(), first });
    }
    // A pod's name may hold dots, but numbers with dots between them are meant as an address.
    let is_dotted = subject.contains('.') && subject.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    if is_dotted || subject.contains(':') {
        return Err(SubjectError::NoAddress { subject: shown() });
    }
    match subject.split_once('/') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(()),
        Some(_) => Err(SubjectError::NoPod { subject: shown() }),
        None if is_name(subject) => Ok(()),
        None => Err(SubjectError::NoName { subject: shown() }),
    }
}

fn first_of_range(subject: &str) -> Option<IpAddr> {
    let (first, last) = subject.split_once('-')?;
    last.trim().parse::<IpAddr>().ok()?;
    first.trim().parse().ok()
}

/// What CNI requires of a container's id; the name of a pod keeps a stricter rule.
fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_pods_and_containers_can_be_meant() {
        for subject in ["10.7.0.2", "fd00::2", "shop/web-0", "web-0", "web.v1", "4f1c9e", "17", "owner/10.7", "node/b"]
        {
            assert_eq!(check(subject), Ok(()), "{subject}");
        }
    }

    #[test]
    fn what_can_be_neither_is_refused_with_what_to_write() {
        for (subject, part) in [
            (" ", "the subject is empty"),
            ("10.7.0.2/22", "leave out the length, as in 10.7.0.2"),
            ("fd00::2/64", "leave out the length, as in fd00::2"),
            ("10.7.0.3-10.7.0.5", "name one address of it, such as 10.7.0.3"),
            ("10.7.0", "use one such as 10.1.0.7"),
            ("10.7.0.", "use one such as 10.1.0.7"),
            ("999.1.1.1", "use one such as 10.1.0.7"),
            ("fd00:::2", "use one such as 10.1.0.7"),
            ("shop/", "use NAMESPACE/NAME, such as shop/web-0"),
            ("/web", "use NAMESPACE/NAME, such as shop/web-0"),
            ("a/b/c", "use NAMESPACE/NAME, such as shop/web-0"),
            ("-web", "begin with a letter or digit"),
            ("web 0", "begin with a letter or digit"),
        ] {
            let error = check(subject).unwrap_err().to_string();
            assert!(error.contains(part), "{subject}: {error}");
        }
    }
}
