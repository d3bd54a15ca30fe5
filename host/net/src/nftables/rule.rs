//! A rule: its instructions, and the comment it is known by.

use super::attribute::{Attributes, value_of};
use super::expression::{self, Expressions};

/// The table of a rule's message.
pub(super) const NFTA_RULE_TABLE: u16 = 1;
/// The chain of a rule's message.
pub(super) const NFTA_RULE_CHAIN: u16 = 2;
/// The handle of a rule's message.
pub(super) const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;
/// `NFTNL_UDATA_RULE_COMMENT`: the entry of a rule's user data that `nft` shows as `comment "…"`.
const COMMENT: u8 = 0;

/// A rule as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Shown by `nft` behind the rule; at most 128 bytes, as `nft` would have it.
    pub(crate) comment: String,
    /// What the rule does.
    pub(crate) expressions: Expressions,
}

impl Rule {
    /// Adds the rule to the attributes of a message that says where it is to be.
    pub(crate) fn describe(&self, place: Attributes) -> Attributes {
        place
            .nest(NFTA_RULE_EXPRESSIONS, self.expressions.list())
            .bytes(NFTA_RULE_USERDATA, &comment_to_user_data(&self.comment))
    }
}

/// A rule as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstalledRule {
    /// What the kernel knows the rule by; unique within its table.
    pub(crate) handle: u64,
    /// Its comment, if it has one.
    pub(crate) comment: Option<String>,
    /// The list of its instructions.
    expressions: Vec<u8>,
}

impl InstalledRule {
    /// Reads the attributes of a rule; none if it has no handle.
    pub(crate) fn read(attributes: &[u8]) -> Option<Self> {
        let handle = value_of(attributes, NFTA_RULE_HANDLE)?.try_into().ok().map(u64::from_be_bytes)?;
        let comment = value_of(attributes, NFTA_RULE_USERDATA).and_then(comment_of_user_data);
        let expressions = value_of(attributes, NFTA_RULE_EXPRESSIONS).unwrap_or_default().to_vec();
        Some(Self { handle, comment, expressions })
    }

    /// Whether the rule ends in a jump to a chain.
    pub(crate) fn jumps_to(&self, chain: &str) -> bool {
        expression::jumps(&self.expressions).any(|to| to == chain)
    }

    /// Whether the kernel executes what `rule` says.
    pub(crate) fn does(&self, rule: &Rule) -> bool {
        rule.expressions.are(&self.expressions)
    }
}

/// An entry's type and length, one byte each, and its value; a comment ends with a NUL. Cut to what the length can say.
fn comment_to_user_data(comment: &str) -> Vec<u8> {
    let text = &comment.as_bytes()[..comment.len().min(254)];
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    [&[COMMENT, length], text, &[0]].concat()
}

fn comment_of_user_data(mut data: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = data {
        let value = rest.get(..usize::from(*length))?;
        if *kind == COMMENT {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return String::from_utf8(text.to_vec()).ok();
        }
        data = &rest[usize::from(*length)..];
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let wanted = Rule { comment: String::new(), expressions: Expressions::default().then_masquerade() };
            let rule = InstalledRule { handle: 0, comment: comment_of_user_data(&bytes), expressions: bytes.clone() };
            prop_assert!(!rule.does(&wanted) || !bytes.is_empty());
            InstalledRule::read(&bytes);
        }
    }

    #[test]
    fn a_comment_is_laid_out_as_nft_does() {
        assert_eq!(comment_to_user_data("10.244.0.0/16"), b"\x00\x0e10.244.0.0/16\x00");
    }

    #[test]
    fn a_comment_is_found_behind_other_entries() {
        assert_eq!(comment_of_user_data(b"\x01\x02ab\x00\x03hi\x00"), Some("hi".to_owned()));
    }

    #[test]
    fn broken_user_data_holds_no_comment() {
        for data in [&b""[..], b"\x00", b"\x00\x05hi", b"\x00\x02\xff\xfe", b"\x01\x00"] {
            assert_eq!(comment_of_user_data(data), None, "{data:?}");
        }
    }
}
