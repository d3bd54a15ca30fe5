//! Error sentences. Where people search for the reference's words, ours has the same; the others say what is wrong in
//! words of our own, and name the key.

use crate::seen::Answer;

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

/// The first that fits counts.
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
    changed("json: cannot unmarshal", "found ", 7),
    changed("invalid IP address", "invalid IP address", 7),
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
    /// The table has the reference's words, and ours are not beside them.
    Strange(String),
    /// The table does not have the reference's words.
    Unknown,
}

/// Compares two errors.
pub(crate) fn compare(reference: &Answer, ours: &Answer) -> Option<Verdict> {
    let (Answer::Error { code: their_code, .. }, Answer::Error { code, .. }) = (reference, ours) else { return None };
    let (theirs, our) = (reference.sentence(), ours.sentence());
    let Some(sentence) = SENTENCES.iter().find(|sentence| theirs.contains(sentence.theirs)) else {
        return Some(Verdict::Unknown);
    };
    if !our.contains(sentence.ours) {
        return Some(Verdict::Strange(format!("expected {:?} in ours", sentence.ours)));
    }
    let verdict = match (their_code, code) {
        _ if their_code == code && sentence.ours == sentence.theirs => Verdict::Same,
        (999, code) if *code != sentence.code => Verdict::Strange(format!("expected code {}", sentence.code)),
        (theirs, code) if *theirs != 999 && theirs != code => Verdict::Strange("another code".to_owned()),
        _ if sentence.ours == sentence.theirs => Verdict::OwnCode,
        _ => Verdict::OwnWords,
    };
    Some(verdict)
}
