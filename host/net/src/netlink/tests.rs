//! Each of the ways in which hand-written netlink loops go wrong.

use std::sync::atomic::{AtomicBool, Ordering};

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use proptest::prelude::*;
use rustix::io::Errno;

use super::message::{Meaning, Status, attributes_of, split};
use super::*;
use crate::netns::NetNs;
use crate::{bridge, link};

fn on_a_fresh_host(work: impl FnOnce(&mut Socket<Route>) + Send) {
    NetNs::create().unwrap().enter(|| work(&mut Socket::open().unwrap())).unwrap();
}

/// `RTM_NEWLINK` or the like for an interface called `name`.
fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    message
}

fn new_bridge(name: &str) -> Message {
    let mut message = named(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
    Message::of(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

fn get_link(name: &str) -> Message {
    Message::of(&RouteNetlinkMessage::GetLink(named(name)), 0)
}

fn all_links() -> Message {
    Message::of(&RouteNetlinkMessage::GetLink(LinkMessage::default()), 0)
}

fn name(body: &[u8]) -> Option<String> {
    link::message::read(body).map(|link| link.name)
}

#[test]
fn refusals_are_typed() {
    on_a_fresh_host(|kernel| {
        kernel.request("create", &new_bridge("br0")).unwrap();
        let again = kernel.request("create", &new_bridge("br0")).unwrap_err();
        assert_eq!((again.kind, again.errno), (ErrorKind::AlreadyExists, Some(Errno::EXIST)));
        let gone = kernel.query("look up", &get_link("br1")).unwrap_err();
        assert_eq!((gone.kind, gone.operation), (ErrorKind::NotFound, "look up"));
        assert_eq!(gone.to_string(), "cannot look up: No such device");
        let mut wrong = get_link("br0");
        wrong.message_type = 10_000;
        assert_eq!(kernel.request("do it", &wrong).unwrap_err().kind, ErrorKind::Unsupported);
    });
}

#[test]
fn lack_of_privilege_is_told() {
    on_a_fresh_host(|kernel| {
        let none = rustix::thread::CapabilitySets {
            effective: rustix::thread::CapabilitySet::empty(),
            permitted: rustix::thread::CapabilitySet::empty(),
            inheritable: rustix::thread::CapabilitySet::empty(),
        };
        // Of this thread alone, which ends with the test.
        rustix::thread::set_capabilities(None, none).unwrap();
        assert_eq!(kernel.request("create", &new_bridge("br0")).unwrap_err().kind, ErrorKind::NotPermitted);
    });
}

#[test]
fn the_kernels_own_words_are_kept() {
    on_a_fresh_host(|kernel| {
        let mut message = named("br0");
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Other("nonsense".to_owned()))]));
        let error =
            kernel.request("create", &Message::of(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE)).unwrap_err();
        assert_eq!(error.kernel_says.as_deref(), Some("Unknown device type"));
        assert!(error.to_string().ends_with("(the kernel reports: Unknown device type)"), "{error}");

        // The same for a dump, whose refusal comes with its end: there is no interface with this index.
        let mut message = AddressMessage::default();
        message.header.index = 4711;
        let message = Message::of(&RouteNetlinkMessage::GetAddress(message), 0);
        let error = kernel.dump("list", &message, |_, _| Some(())).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{error:?}");
    });
}

#[test]
fn a_late_answer_is_not_taken_for_the_next_one() {
    on_a_fresh_host(|kernel| {
        bridge::ensure(kernel, "br0", None, false).unwrap();
        // Asked, and then forgotten by the asker.
        kernel.send("look up", &get_link("lo"), NLM_F_ACK).unwrap();
        kernel.send("look up", &get_link("nothing"), NLM_F_ACK).unwrap();
        let answer = kernel.query("look up", &get_link("br0")).unwrap().unwrap();
        assert_eq!(name(&answer).as_deref(), Some("br0"));
    });
}

#[test]
fn an_answer_longer_than_the_buffer_is_asked_for_again_with_room() {
    on_a_fresh_host(|kernel| {
        kernel.incoming = Vec::with_capacity(256);
        let answer = kernel.query("look up", &get_link("lo")).unwrap().unwrap();
        assert!(answer.len() > 256);
        assert_eq!(name(&answer).as_deref(), Some("lo"));

        (0..40).for_each(|number| kernel.request("create", &new_bridge(&format!("br{number}"))).unwrap());
        kernel.incoming = Vec::with_capacity(256);
        assert_eq!(kernel.dump("list", &all_links(), |_, body| name(body)).unwrap().len(), 41);
        assert_eq!(kernel.dump("list", &all_links(), |_, body| name(body)).unwrap().len(), 41);
    });
}

#[test]
fn a_list_that_changes_while_it_is_read_is_read_again() {
    on_a_fresh_host(|kernel| {
        (0..60).for_each(|number| kernel.request("create", &new_bridge(&format!("stays{number}"))).unwrap());
        let finished = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = Socket::<Route>::open().unwrap();
                while !finished.load(Ordering::Relaxed) {
                    other.request("create", &new_bridge("comes")).unwrap();
                    link::delete(&mut other, link::Which::Name("comes")).unwrap();
                }
            });
            let lists: Vec<_> = (0..200).map(|_| kernel.dump("list", &all_links(), |_, body| name(body))).collect();
            // Before anything can fail, or the other thread would go on forever.
            finished.store(true, Ordering::Relaxed);
            for names in lists {
                let names = names.unwrap();
                let stays = names.iter().filter(|name| name.starts_with("stays")).count();
                assert_eq!((stays, names.contains(&"lo".to_owned())), (60, true));
            }
        });
    });
}

#[test]
fn each_message_of_a_batch_has_its_own_outcome() {
    on_a_fresh_host(|kernel| {
        let acknowledged = |message: Message| Message { flags: message.flags | NLM_F_ACK, ..message };
        let batch = [
            acknowledged(new_bridge("br0")),
            acknowledged(new_bridge("br0")),
            new_bridge("br1"),
            new_bridge("br1"),
            acknowledged(get_link("br1")),
        ];
        let outcomes = kernel.batch("create", &batch).unwrap();
        let [Outcome::Acknowledged, Outcome::Refused(twice), Outcome::Silent, Outcome::Refused(silently), last] =
            &outcomes[..]
        else {
            panic!("{outcomes:?}");
        };
        assert_eq!((twice.kind, silently.kind), (ErrorKind::AlreadyExists, ErrorKind::AlreadyExists));
        assert_eq!(last, &Outcome::Acknowledged);
        // Nothing is left over for the next request.
        assert_eq!(name(&kernel.query("look up", &get_link("br0")).unwrap().unwrap()).as_deref(), Some("br0"));
    });
}

/// A datagram of one message.
fn datagram(message_type: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message { message_type, flags: 0, body: body.to_vec() }.write(flags, 1, &mut bytes);
    bytes
}

fn meaning(datagram: &[u8]) -> Option<Meaning<'_>> {
    split(datagram).next().unwrap().unwrap().meaning()
}

#[test]
fn refusals_are_read_with_and_without_the_request_repeated() {
    const ERROR: u16 = 2;
    const CAPPED: u16 = 0x100;
    const ATTRIBUTES: u16 = 0x200;
    let code = (-22_i32).to_ne_bytes();
    let request = datagram(16, 0, &[1, 2, 3, 4, 5, 6, 7]);
    let sentence = b"\x09\0\x01\0why\x3f\0\0\0\0";
    let refused = |sentence| Some(Meaning::Finished(Status { errno: Some(Errno::INVAL), sentence }));

    let capped = [&code[..], &request[..16], sentence].concat();
    assert_eq!(meaning(&datagram(ERROR, CAPPED | ATTRIBUTES, &capped)), refused(Some("why?")));
    let whole = [&code[..], &request, sentence].concat();
    assert_eq!(meaning(&datagram(ERROR, ATTRIBUTES, &whole)), refused(Some("why?")));
    // Without the flag, what follows is not attributes.
    assert_eq!(meaning(&datagram(ERROR, CAPPED, &capped)), refused(None));
    assert_eq!(meaning(&datagram(ERROR, 0, &code)), refused(None));
    assert_eq!(meaning(&datagram(ERROR, 0, &code[..3])), None);
    let done = [&code[..], sentence].concat();
    assert_eq!(meaning(&datagram(3, ATTRIBUTES, &done)), refused(Some("why?")));
}

/// What comes of a datagram that answers request 1: the bodies, and how the answer ended.
fn digested(datagram: &[u8]) -> (Vec<Vec<u8>>, Option<Result<(), ErrorKind>>) {
    let mut bodies = Vec::new();
    let ended = digest("test", 1, datagram, &mut None, &mut |_, body| bodies.push(body.to_vec()));
    (bodies, ended.map(|ended| ended.map_err(|error| error.kind)))
}

#[test]
fn a_list_is_spoilt_by_one_sign_of_a_change() {
    const DONE: u16 = 3;
    const INTERRUPTED: u16 = 0x10;
    let [plain, last] = [datagram(16, 0, b"link"), datagram(DONE, 0, &[0; 4])];
    assert_eq!(digested(&[&plain[..], &plain].concat()), (vec![b"link".to_vec(); 2], None));
    assert_eq!(digested(&[&plain[..], &last].concat()), (vec![b"link".to_vec()], Some(Ok(()))));
    let spoilt = Some(Err(ErrorKind::Changing));
    assert_eq!(digested(&[&datagram(16, INTERRUPTED, b"link")[..], &plain, &last].concat()).1, spoilt);
    assert_eq!(digested(&[&plain[..], &datagram(DONE, INTERRUPTED, &[0; 4])].concat()).1, spoilt);
}

#[test]
fn a_broken_answer_is_an_error_and_not_silence() {
    let mut cut = datagram(16, 0, b"link");
    cut.truncate(18);
    assert_eq!(digested(&cut).1, Some(Err(ErrorKind::BadAnswer)));
    assert_eq!(digested(&datagram(2, 0, &[0; 3])).1, Some(Err(ErrorKind::BadAnswer)));
    assert_eq!(digested(&datagram(2, 0, &i32::MIN.to_ne_bytes())).1, Some(Err(ErrorKind::BadAnswer)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_fail(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flags in any::<u16>(),
        kind in 2_u16..5,
    ) {
        for received in split(&bytes).flatten() {
            received.meaning();
        }
        split(&datagram(kind, flags, &bytes)).flatten().for_each(|received| { received.meaning(); });
        attributes_of(&bytes).for_each(drop);
        link::message::read(&bytes);
    }

    #[test]
    fn messages_come_apart_as_they_were_put_together(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10),
    ) {
        let mut bytes = Vec::new();
        for (body, sequence) in bodies.iter().zip(0..) {
            Message { message_type: 16, flags: 0, body: body.clone() }.write(0, sequence, &mut bytes);
        }
        let received: Vec<_> = split(&bytes).map(|received| received.unwrap()).collect();
        prop_assert_eq!(received.iter().map(|received| received.body).collect::<Vec<_>>(), bodies);
        prop_assert!(received.iter().zip(0..).all(|(received, sequence)| received.sequence == sequence));
    }
}
