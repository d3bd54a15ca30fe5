//! What is done with the kernel's rulesets: reading a chain's rules, and changing a table by a transaction.

use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, ParseableParametrized};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, GenAttribute, GenMessage, Hook, InetHookNumber, NfTablesMessage, RuleAttribute,
    RuleMessage, TableAttribute, TableMessage,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily, NetfilterSubsystem,
};
use rustix::io::Errno;

use super::rule::{InstalledRule, Rule};
use crate::netlink::{Message, Netfilter, NetlinkError, Outcome, Socket};

/// `NFNL_MSG_BATCH_BEGIN`, here with an attribute, which the typed message has no room for.
const BATCH_BEGIN: u8 = 16;
/// `NFNL_BATCH_GENID`
const BATCH_GENERATION: u16 = 1;
/// `NFT_MSG_NEWGEN` of the subsystem `NFNL_SUBSYS_NFTABLES`: the answer to the question for the generation.
const NEW_GENERATION: u16 = 10 << 8 | 15;
/// `NF_ACCEPT`
const ACCEPT: u32 = 1;
/// `NF_IP_PRI_NAT_SRC`, which `nft` calls `srcnat`.
const SOURCE_NAT_PRIORITY: u32 = 100;

/// A state of all rulesets of a network namespace; every transaction of anybody makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u32);

/// What the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The socket.
    Open,
    /// A question.
    Read,
    /// The transaction, for its rulesets are no longer those of the given generation.
    Generation,
    /// The transaction as a whole.
    Transaction,
    /// The table's creation.
    AddTable,
    /// The table's removal.
    DeleteTable,
    /// The base chain's creation.
    AddChain,
    /// A rule's creation.
    AddRule,
    /// A rule's removal.
    DeleteRule,
}

/// A refusal by the kernel; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Of what.
    pub(crate) step: Step,
    /// In the kernel's words.
    pub(crate) error: NetlinkError,
}

/// Changes to one table of family inet, done by the kernel all together or not at all.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    table: &'a str,
    steps: Vec<(Step, Message)>,
}

impl<'a> Transaction<'a> {
    /// A transaction that changes nothing yet. With a generation it fails if there have been others meanwhile.
    pub(crate) fn of_table(table: &'a str, only_in: Option<Generation>) -> Self {
        let generation = only_in.map(|Generation(id)| DefaultNla::new(BATCH_GENERATION, id.to_be_bytes().to_vec()));
        let begin = ControlMessage::Other { message_type: BATCH_BEGIN, attributes: generation.into_iter().collect() };
        Self { table, steps: vec![(Step::Transaction, control(begin))] }
    }

    /// Makes the table; goes well if it is there.
    pub(crate) fn add_table(&mut self) {
        let message = TableMessage { attributes: vec![TableAttribute::Name(self.table.to_owned())] };
        self.push(Step::AddTable, NfTablesMessage::NewTable(message), NLM_F_CREATE);
    }

    /// Removes the table with all that is in it; refused with `NotFound` if it is not there.
    pub(crate) fn delete_table(&mut self) {
        let message = TableMessage { attributes: vec![TableAttribute::Name(self.table.to_owned())] };
        self.push(Step::DeleteTable, NfTablesMessage::DeleteTable(message), 0);
    }

    /// Makes the base chain `{ type nat hook postrouting priority srcnat; policy accept; }`; goes well if it is there.
    pub(crate) fn add_source_nat_chain(&mut self, chain: &str) {
        let attributes = vec![
            ChainAttribute::Table(self.table.to_owned()),
            ChainAttribute::Name(chain.to_owned()),
            ChainAttribute::Policy(ACCEPT),
            ChainAttribute::Type("nat".to_owned()),
            ChainAttribute::Hook(vec![
                Hook::Number(InetHookNumber::PostRouting.into()),
                Hook::Priority(SOURCE_NAT_PRIORITY),
            ]),
        ];
        self.push(Step::AddChain, NfTablesMessage::NewChain(ChainMessage { attributes }), NLM_F_CREATE);
    }

    /// Appends a rule to a chain.
    pub(crate) fn add_rule(&mut self, chain: &str, rule: Rule) {
        let message = RuleMessage { attributes: rule.into_attributes(self.table, chain) };
        self.push(Step::AddRule, NfTablesMessage::NewRule(message), NLM_F_CREATE | NLM_F_APPEND);
    }

    /// Removes a rule from a chain.
    pub(crate) fn delete_rule(&mut self, chain: &str, rule: &InstalledRule) {
        let attributes = vec![
            RuleAttribute::Table(self.table.to_owned()),
            RuleAttribute::Chain(chain.to_owned()),
            RuleAttribute::Handle(rule.handle),
        ];
        self.push(Step::DeleteRule, NfTablesMessage::DeleteRule(RuleMessage { attributes }), 0);
    }

    /// Has the kernel do it.
    pub(crate) fn commit(mut self, socket: &mut Socket<Netfilter>) -> Result<(), Refusal> {
        const OPERATION: &str = "change an nftables table";
        self.steps.push((Step::Transaction, control(ControlMessage::BatchEnd)));
        let (steps, messages): (Vec<Step>, Vec<Message>) = self.steps.into_iter().unzip();
        let outcomes =
            socket.batch(OPERATION, &messages).map_err(|error| Refusal { step: Step::Transaction, error })?;
        for (step, outcome) in steps.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Refused(error) if error.errno == Some(Errno::RESTART) => {
                    return Err(Refusal { step: Step::Generation, error });
                }
                Outcome::Refused(error) => return Err(Refusal { step, error }),
                // Every step asks for its acknowledgement; the two messages around them cannot on older kernels.
                Outcome::Silent if step != Step::Transaction => {
                    let error = NetlinkError::bad_answer(OPERATION, "the kernel did not say whether it was done");
                    return Err(Refusal { step, error });
                }
                Outcome::Silent | Outcome::Acknowledged => {}
            }
        }
        Ok(())
    }

    /// Appends a step; it is acknowledged whatever the flags.
    pub(crate) fn push(&mut self, step: Step, message: NfTablesMessage, flags: u16) {
        self.steps.push((step, inet(message, flags | NLM_F_ACK)));
    }
}

/// The present generation of the namespace's rulesets.
pub(crate) fn generation(socket: &mut Socket<Netfilter>) -> Result<Generation, Refusal> {
    const OPERATION: &str = "read the generation of the nftables rulesets";
    let request = inet(NfTablesMessage::GetGen(GenMessage { attributes: Vec::new() }), 0);
    let answer = socket.query(OPERATION, &request).map_err(unread)?;
    let unusable = || unread(NetlinkError::bad_answer(OPERATION, "the kernel told none"));
    match read(OPERATION, NEW_GENERATION, &answer.ok_or_else(unusable)?).map_err(unread)? {
        NfTablesMessage::NewGen(answer) => answer
            .attributes
            .into_iter()
            .find_map(|attribute| match attribute {
                GenAttribute::Id(id) => Some(Generation(id)),
                _ => None,
            })
            .ok_or_else(unusable),
        _ => Err(unusable()),
    }
}

/// The rules of a chain, in the order of their execution; none if there is no such table or chain.
pub(crate) fn rules(socket: &mut Socket<Netfilter>, table: &str, chain: &str) -> Result<Vec<InstalledRule>, Refusal> {
    const OPERATION: &str = "read the rules of an nftables table";
    // The kernel compares the names for us: it shows no table of others.
    let attributes = vec![RuleAttribute::Table(table.to_owned()), RuleAttribute::Chain(chain.to_owned())];
    let request = inet(NfTablesMessage::GetRule(RuleMessage { attributes }), 0);
    let rules = socket.dump(OPERATION, &request, |answer_type, body| match read(OPERATION, answer_type, body) {
        Ok(NfTablesMessage::NewRule(rule)) => Some(Ok(InstalledRule::read(rule))),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    rules.and_then(|rules| rules.into_iter().collect()).map_err(unread)
}

fn unread(error: NetlinkError) -> Refusal {
    Refusal { step: Step::Read, error }
}

fn read(operation: &'static str, message_type: u16, body: &[u8]) -> Result<NfTablesMessage, NetlinkError> {
    let message = NetfilterMessage::parse_with_param(body, message_type)
        .map_err(|error| NetlinkError::bad_answer(operation, error.to_string()))?;
    match message.inner {
        NetfilterMessageInner::NfTables(message) => Ok(message),
        _ => Err(NetlinkError::bad_answer(operation, "the kernel's answer is not of nf_tables")),
    }
}

fn inet(message: NfTablesMessage, flags: u16) -> Message {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
    Message::of(&NetfilterMessage::new(header, message), flags)
}

fn control(message: ControlMessage) -> Message {
    let subsystem = u16::from(u8::from(NetfilterSubsystem::NfTables));
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, subsystem);
    Message::of(&NetfilterMessage::new(header, message), 0)
}
