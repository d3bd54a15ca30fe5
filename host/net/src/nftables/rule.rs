//! A rule: its instructions, and the comment it is known by.

use netlink_packet_netfilter::nftables::{ExpressionAttribute, Expressions, ListAttribute, RuleAttribute, RuleMessage};

use super::expression;

/// `NFTNL_UDATA_RULE_COMMENT`: the entry of a rule's user data that `nft` shows as `comment "…"`.
const COMMENT: u8 = 0;

/// A rule as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Shown by `nft` behind the rule; at most 128 bytes, as `nft` would have it.
    pub(crate) comment: String,
    /// In the order of their execution.
    pub(crate) expressions: Vec<Expressions>,
}

impl Rule {
    /// The attributes of the message that appends this rule to a chain.
    pub(crate) fn into_attributes(self, table: &str, chain: &str) -> Vec<RuleAttribute> {
        vec![
            RuleAttribute::Table(table.to_owned()),
            RuleAttribute::Chain(chain.to_owned()),
            RuleAttribute::Expressions(expression::into_list(self.expressions)),
            RuleAttribute::UserData(comment_to_user_data(&self.comment)),
        ]
    }
}

/// A rule as the kernel shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct InstalledRule {
    /// What the kernel knows the rule by; unique within its table.
    pub(crate) handle: u64,
    /// Its comment, if it has one.
    pub(crate) comment: Option<String>,
    expressions: Vec<ListAttribute<ExpressionAttribute>>,
}

impl InstalledRule {
    /// Reads the rule of a dump.
    pub(crate) fn read(message: RuleMessage) -> Self {
        let mut rule = Self::default();
        for attribute in message.attributes {
            match attribute {
                RuleAttribute::Handle(handle) => rule.handle = handle,
                RuleAttribute::UserData(data) => rule.comment = comment_of_user_data(&data),
                RuleAttribute::Expressions(expressions) => rule.expressions = expressions,
                _ => {}
            }
        }
        rule
    }

    /// Whether the kernel executes what `rule` says.
    pub(crate) fn does(&self, rule: &Rule) -> bool {
        expression::list_is(&self.expressions, &rule.expressions)
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
    use super::*;

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
