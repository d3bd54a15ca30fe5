//! What is done with the kernel's rulesets: reading a chain's rules, and changing a table by a transaction.

use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE};
use rustix::io::Errno;

use super::attribute::{Attributes, value_of};
use super::refusal::{Refusal, Step};
use super::rule::{InstalledRule, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_TABLE, Rule};
use super::set::{self, Element, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_TABLE, Set};
use crate::netlink::{ErrorKind, Message, Netfilter, NetlinkError, Outcome, Socket};

const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 16;
const NFNL_MSG_BATCH_END: u16 = 17;
const NFNL_BATCH_GENID: u16 = 1;
const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_GETTABLE: u16 = 1;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_GETCHAIN: u16 = 4;
const NFT_MSG_DELCHAIN: u16 = 5;
const NFT_MSG_NEWRULE: u16 = 6;
const NFT_MSG_GETRULE: u16 = 7;
const NFT_MSG_DELRULE: u16 = 8;
const NFT_MSG_NEWSET: u16 = 9;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_GETSETELEM: u16 = 13;
const NFT_MSG_DELSETELEM: u16 = 14;
const NFT_MSG_GETGEN: u16 = 16;
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_GEN_ID: u16 = 1;

const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_BRIDGE: u8 = 7;
const NFPROTO_IPV6: u8 = 10;
const NF_BR_PRE_ROUTING: u32 = 0;
/// What `nft` calls dstnat in family bridge: -300.
const NF_BR_PRI_NAT_DST_BRIDGED: u32 = (-300_i32).cast_unsigned();
const NF_INET_POST_ROUTING: u32 = 4;
/// What `nft` calls srcnat.
const NF_IP_PRI_NAT_SRC: u32 = 100;
const NF_ACCEPT: u32 = 1;

/// A list's length has 16 bits, and an element of IPv6 less than 60 bytes.
const ELEMENTS_AT_ONCE: usize = 1000;

/// A message's own header, `nfgenmsg`.
const HEADER: usize = 4;

/// A table. A name alone means one of family inet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table<'a> {
    family: u8,
    name: &'a str,
}

impl<'a> Table<'a> {
    /// One of family bridge: it sees the frames that bridges forward.
    pub(crate) fn of_bridges(name: &'a str) -> Self {
        Self { family: NFPROTO_BRIDGE, name }
    }

    /// One of family ip, where `iptables` has its rules.
    pub(crate) fn of_ipv4(name: &'a str) -> Self {
        Self { family: NFPROTO_IPV4, name }
    }

    /// One of family ip6, where `ip6tables` has its rules.
    pub(crate) fn of_ipv6(name: &'a str) -> Self {
        Self { family: NFPROTO_IPV6, name }
    }

    fn rules_of(self, chain: &str) -> Attributes {
        Attributes::new().text(NFTA_RULE_TABLE, self.name).text(NFTA_RULE_CHAIN, chain)
    }

    fn chain(self, chain: &str) -> Attributes {
        Attributes::new().text(NFTA_CHAIN_TABLE, self.name).text(NFTA_CHAIN_NAME, chain)
    }

    fn elements_of(self, set: Set) -> Attributes {
        Attributes::new().text(NFTA_SET_ELEM_LIST_TABLE, self.name).text(NFTA_SET_ELEM_LIST_SET, set.name)
    }

    fn named(self) -> Attributes {
        Attributes::new().text(NFTA_TABLE_NAME, self.name)
    }
}

impl<'a> From<&'a str> for Table<'a> {
    fn from(name: &'a str) -> Self {
        Self { family: NFPROTO_INET, name }
    }
}

impl<'a> From<&'a String> for Table<'a> {
    fn from(name: &'a String) -> Self {
        Self::from(name.as_str())
    }
}

/// A state of all rulesets of a network namespace; every transaction of anybody makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u32);

impl Generation {
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// Changes to one table, done by the kernel all together or not at all.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    table: Table<'a>,
    steps: Vec<(Step, Message)>,
}

impl<'a> Transaction<'a> {
    /// A transaction that changes nothing yet. With a generation it fails if there have been others meanwhile.
    pub(crate) fn of_table(table: impl Into<Table<'a>>, only_in: Option<Generation>) -> Self {
        let attributes =
            only_in.map_or_else(Attributes::new, |Generation(id)| Attributes::new().number(NFNL_BATCH_GENID, id));
        Self { table: table.into(), steps: vec![(Step::Transaction, frame(NFNL_MSG_BATCH_BEGIN, &attributes))] }
    }

    /// Makes the table; goes well if it is there.
    pub(crate) fn add_table(&mut self) {
        self.push(Step::AddTable, NFT_MSG_NEWTABLE, NLM_F_CREATE, &self.table.named());
    }

    /// Removes the table with all that is in it; refused with `NotFound` if it is not there.
    pub(crate) fn delete_table(&mut self) {
        self.push(Step::DeleteTable, NFT_MSG_DELTABLE, 0, &self.table.named());
    }

    /// Makes the base chain `{ type KIND hook postrouting priority srcnat; policy accept; }`; goes well if it is there.
    pub(crate) fn add_postrouting_chain(&mut self, chain: &str, kind: &str) {
        self.add_base_chain(chain, kind, NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
    }

    /// Makes the base chain `{ type filter hook prerouting priority dstnat; policy accept; }` of family bridge; goes well
    /// if it is there.
    pub(crate) fn add_bridge_prerouting_chain(&mut self, chain: &str) {
        self.add_base_chain(chain, "filter", NF_BR_PRE_ROUTING, NF_BR_PRI_NAT_DST_BRIDGED);
    }

    fn add_base_chain(&mut self, chain: &str, kind: &str, hook: u32, priority: u32) {
        let hook = Attributes::new().number(NFTA_HOOK_HOOKNUM, hook).number(NFTA_HOOK_PRIORITY, priority);
        let base_chain = self
            .table
            .chain(chain)
            .number(NFTA_CHAIN_POLICY, NF_ACCEPT)
            .text(NFTA_CHAIN_TYPE, kind)
            .nest(NFTA_CHAIN_HOOK, &hook);
        self.push(Step::AddChain, NFT_MSG_NEWCHAIN, NLM_F_CREATE, &base_chain);
    }

    /// Appends a rule to a chain.
    pub(crate) fn add_rule(&mut self, chain: &str, rule: &Rule) {
        let rule = rule.describe(self.table.rules_of(chain));
        self.push(Step::AddRule, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, &rule);
    }

    /// Removes a rule from a chain.
    pub(crate) fn delete_rule(&mut self, chain: &str, rule: &InstalledRule) {
        let rule = self.table.rules_of(chain).handle(NFTA_RULE_HANDLE, rule.handle);
        self.push(Step::DeleteRule, NFT_MSG_DELRULE, 0, &rule);
    }

    /// Makes a set; goes well if it is there.
    pub(crate) fn add_set(&mut self, set: Set) {
        let id = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        let set = set.describe(Attributes::new().text(NFTA_SET_TABLE, self.table.name), id);
        self.push(Step::AddSet, NFT_MSG_NEWSET, NLM_F_CREATE, &set);
    }

    /// Adds elements to a set; those that it has already stay.
    pub(crate) fn add_elements(&mut self, set: Set, elements: &[Element]) {
        for some in elements.chunks(ELEMENTS_AT_ONCE) {
            let some = set::list(self.table.elements_of(set), some);
            self.push(Step::AddElements, NFT_MSG_NEWSETELEM, NLM_F_CREATE, &some);
        }
    }

    /// Removes elements from a set; refused with `NotFound` if one of them is not there.
    pub(crate) fn delete_elements(&mut self, set: Set, elements: &[Element]) {
        for some in elements.chunks(ELEMENTS_AT_ONCE) {
            let some = set::list(self.table.elements_of(set), some);
            self.push(Step::DeleteElements, NFT_MSG_DELSETELEM, 0, &some);
        }
    }

    /// Removes all elements of a set.
    pub(crate) fn clear_set(&mut self, set: Set) {
        self.push(Step::DeleteElements, NFT_MSG_DELSETELEM, 0, &self.table.elements_of(set));
    }

    /// Removes a chain with its rules. Those that jump to it must have gone before.
    pub(crate) fn delete_chain(&mut self, chain: &str) {
        self.push(Step::DeleteRule, NFT_MSG_DELRULE, 0, &self.table.rules_of(chain));
        self.push(Step::DeleteChain, NFT_MSG_DELCHAIN, 0, &self.table.chain(chain));
    }

    /// Has the kernel do it.
    pub(crate) fn commit(mut self, socket: &mut Socket<Netfilter>) -> Result<(), Refusal> {
        const OPERATION: &str = "change an nftables table";
        self.steps.push((Step::Transaction, frame(NFNL_MSG_BATCH_END, &Attributes::new())));
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
                    let error = NetlinkError::bad_answer(OPERATION, "the kernel did not report the result");
                    return Err(Refusal { step, error });
                }
                Outcome::Silent | Outcome::Acknowledged => {}
            }
        }
        Ok(())
    }

    /// Appends a step; it is acknowledged whatever the flags.
    pub(crate) fn push(&mut self, step: Step, message_type: u16, flags: u16, attributes: &Attributes) {
        self.steps.push((step, message(self.table.family, message_type, flags | NLM_F_ACK, attributes)));
    }
}

/// The present generation of the namespace's rulesets.
pub(crate) fn generation(socket: &mut Socket<Netfilter>) -> Result<Generation, Refusal> {
    const OPERATION: &str = "read the generation of the nftables rulesets";
    let answer =
        socket.query(OPERATION, &message(NFPROTO_INET, NFT_MSG_GETGEN, 0, &Attributes::new())).map_err(unread)?;
    let id = answer.as_deref().and_then(|body| value_of(attributes(body), NFTA_GEN_ID)?.try_into().ok());
    let id = id.ok_or_else(|| unread(NetlinkError::bad_answer(OPERATION, "the kernel reported none")))?;
    Ok(Generation(u32::from_be_bytes(id)))
}

/// Whether there is such a table. Much cheaper than a transaction that fails: to undo that one, the kernel
/// waits for all processors, some 10 ms.
pub(crate) fn table_exists<'a>(socket: &mut Socket<Netfilter>, table: impl Into<Table<'a>>) -> Result<bool, Refusal> {
    let table = table.into();
    exists(socket, &message(table.family, NFT_MSG_GETTABLE, 0, &table.named()))
}

/// Whether there is such a chain.
pub(crate) fn chain_exists<'a>(
    socket: &mut Socket<Netfilter>,
    table: impl Into<Table<'a>>,
    chain: &str,
) -> Result<bool, Refusal> {
    let table = table.into();
    exists(socket, &message(table.family, NFT_MSG_GETCHAIN, 0, &table.chain(chain)))
}

fn exists(socket: &mut Socket<Netfilter>, request: &Message) -> Result<bool, Refusal> {
    match socket.query("look for an nftables table or chain", request) {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unread(error)),
    }
}

/// The rules of a chain, in the order of their execution; none if there is no such table or chain.
pub(crate) fn rules<'a>(
    socket: &mut Socket<Netfilter>,
    table: impl Into<Table<'a>>,
    chain: &str,
) -> Result<Vec<InstalledRule>, Refusal> {
    let table = table.into();
    // The kernel compares the names for us: it shows no table of others.
    let request = message(table.family, NFT_MSG_GETRULE, 0, &table.rules_of(chain));
    socket
        .dump("read the rules of an nftables table", &request, |_, body| InstalledRule::read(attributes(body)))
        .map_err(unread)
}

/// The elements of a set; none if there is no such table or set.
pub(crate) fn elements<'a>(
    socket: &mut Socket<Netfilter>,
    table: impl Into<Table<'a>>,
    set: Set,
) -> Result<Vec<Element>, Refusal> {
    let table = table.into();
    let request = message(table.family, NFT_MSG_GETSETELEM, 0, &table.elements_of(set));
    let read = socket.dump("read a set of an nftables table", &request, |_, body| Some(set::read(attributes(body))));
    match read {
        Ok(lists) => Ok(lists.into_iter().flatten().collect()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unread(error)),
    }
}

/// Whether a set of single addresses has this one. False if there is no such table or set.
pub(crate) fn has_element<'a>(
    socket: &mut Socket<Netfilter>,
    table: impl Into<Table<'a>>,
    set: Set,
    element: Element,
) -> Result<bool, Refusal> {
    let table = table.into();
    let asked = set::list(table.elements_of(set), &[element]);
    exists(socket, &message(table.family, NFT_MSG_GETSETELEM, 0, &asked))
}

fn unread(error: NetlinkError) -> Refusal {
    Refusal { step: Step::Read, error }
}

fn attributes(body: &[u8]) -> &[u8] {
    body.get(HEADER..).unwrap_or_default()
}

/// A message about tables of a family.
fn message(family: u8, message_type: u16, flags: u16, attributes: &Attributes) -> Message {
    let header = [family, 0, 0, 0];
    let message_type = NFNL_SUBSYS_NFTABLES << 8 | message_type;
    Message { message_type, flags, body: [&header, attributes.as_bytes()].concat() }
}

/// The beginning or the end of a transaction.
fn frame(message_type: u16, attributes: &Attributes) -> Message {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    let header = [NFPROTO_UNSPEC, 0, high, low];
    Message { message_type, flags: 0, body: [&header, attributes.as_bytes()].concat() }
}
