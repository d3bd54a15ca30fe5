//! Error sentences. Where people search for the reference's words, ours has the same; the others say what is wrong in
//! words of our own, and name the key.

use crate::observation::Answer;

/// Words of the reference's error, and of ours for the same fault.
struct Sentence {
    theirs: &'static str,
    ours: &'static str,
    /// Our code, where the reference's is 999: its word for any error that has no code.
    code: u64,
}

/// The same words.
const fn kept(words: &'static str, code: u64) -> Sentence {
    Sentence { theirs: words, ours: words, code }
}

/// Other words.
const fn changed(theirs: &'static str, ours: &'static str, code: u64) -> Sentence {
    Sentence { theirs, ours, code }
}

/// Sets of them.
const SENTENCES: &[Sentence] = &[
    kept("no IP addresses available in range set", 103),
    kept("is not available in range set", 103),
    kept("failed to allocate all requested IPs", 103),
    kept("is subnet's gateway", 103),
    kept("duplicate allocation is not allowed", 104),
    kept("invalid CIDR address", 7),
    kept("too small to allocate from", 7),
    kept("Network has host bits set", 7),
    kept("not in network", 7),
    kept("mixed address families", 7),
    kept("empty range set", 7),
    kept("overlap", 7),
    kept("no IP ranges specified", 7),
    kept("does not support more than 1 address per family", 7),
    kept("IPAM config missing 'ipam' key", 7),
    kept("Failed to find address added by container", 3),
    kept("ARGS: invalid pair", 4),
    kept("ARGS: unknown args", 4),
    kept("cannot understand ip", 4),
    kept("incompatible CNI versions", 1),
    kept("config version does not allow", 1),
    kept("required env variables", 4),
    kept("invalid characters in containerID", 4),
    kept("interface name is too long", 4),
    kept("interface name is . or ..", 4),
    kept("interface name contains / or : or whitespace characters", 4),
    kept("unknown CNI_COMMAND", 4),
    kept("error unmarshall network config", 6),
    kept("missing network name", 7),
    kept("invalid characters found in network name", 7),
    kept("cannot set hairpin mode and promiscuous mode at the same time", 7),
    kept("already has an IP address different from", 100),
    kept("is not a bridge", 100),
    kept("already exists", 100),
    kept("failed to find plugin", 7),
    kept("invalid plugin name", 7),
    kept("no valid IP addresses", 7),
    kept("invalid VLAN ID", 7),
    kept("invalid IP address", 7),
    kept("invalid IP address", 4),
    changed("json: cannot unmarshal", "found ", 7),
    changed("json: cannot unmarshal", "ipam.dataDir: invalid path 7", 7),
    changed("json: cannot unmarshal", "expected ", 7),
    changed("invalid CIDR address", "expected IPv4 or IPv6 network address", 7),
    changed("failed to add route", "the route to", 100),
    changed("failed to Statfs", "does not exist", 8),
    changed("unknown FS magic", "network namespace", 8),
    changed("numerical result out of range", "interface name is too long", 7),
    changed("invalid MAC address", "cannot be an interface's MAC address", 7),
    changed("cannot assign requested address", "cannot be an interface's MAC address", 7),
    changed("plugin version does not allow CHECK", "incompatible CNI versions", 1),
    changed("IP <nil> not v4 nor v6", "subnet: is missing", 7),
    changed("boolean unmarshal error", "invalid boolean", 4),
    changed("already exists", "already has an interface", 100),
    changed("operation not supported", "CONFIG_BRIDGE_VLAN_FILTERING", 100),
    changed("no such file or directory", "No such file or directory", 5),
];

/// Two faults in one call: which of them the reference tells, and which we do. Everything that can be known beforehand
/// is looked at before the kernel is touched, what is recorded before what is asked for, and whether an answer fits into
/// the version when there is one.
const TOLD_FIRST: &[(&str, &str)] = &[
    ("already exists", "duplicate allocation is not allowed"),
    ("already exists", "policy host-local: failed to allocate"),
    ("is not available in range set", "duplicate allocation is not allowed"),
    ("is subnet's gateway", "duplicate allocation is not allowed"),
    ("failed to allocate all requested IPs", "duplicate allocation is not allowed"),
    ("does not support more than 1 address per family", "duplicate allocation is not allowed"),
    ("does not support more than 1 address per family", "failed to allocate"),
    ("does not support more than 1 address per family", "overlaps with"),
    ("does not support more than 1 address per family", "resolvConf: cannot read"),
    ("config version does not allow CHECK", "ipam: found "),
    ("operation not supported", "failed to allocate"),
    ("operation not supported", "does not support more than 1 address per family"),
    ("failed to add route", "already has an IP address different from"),
];

/// What two errors say of each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same words and the same code.
    Same,
    /// The same words, and a code of our own where the reference has none.
    OwnCode,
    /// Other words for the same fault, by the table.
    OwnWords,
    /// Another fault, of two that there are, by the table.
    OtherFault,
    /// The table has the reference's words, and not our words or our code beside them.
    Strange,
    /// The table does not have the reference's words.
    Unknown,
}

/// Compares two errors.
pub(crate) fn compare(reference: &Answer, ours: &Answer) -> Option<Verdict> {
    let (Answer::Error { code: their_code, .. }, Answer::Error { code, .. }) = (reference, ours) else { return None };
    let (theirs, our) = (reference.sentence(), ours.sentence());
    if TOLD_FIRST.iter().any(|(first, second)| theirs.contains(first) && our.contains(second)) {
        return Some(Verdict::OtherFault);
    }
    let known: Vec<&Sentence> = SENTENCES.iter().filter(|sentence| theirs.contains(sentence.theirs)).collect();
    let fits = |sentence: &&&Sentence| {
        let code_fits = if *their_code == 999 { *code == sentence.code } else { code == their_code };
        our.contains(sentence.ours) && code_fits
    };
    let verdict = match known.iter().find(fits) {
        Some(sentence) if sentence.ours != sentence.theirs => Verdict::OwnWords,
        Some(_) if their_code == code => Verdict::Same,
        Some(_) => Verdict::OwnCode,
        None if known.is_empty() => Verdict::Unknown,
        None => Verdict::Strange,
    };
    Some(verdict)
}
