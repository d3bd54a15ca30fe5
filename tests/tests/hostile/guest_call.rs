//! A call of a guest as data, and what every such call must lead to.

use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use gingham_tests::binaries::binaries;
use gingham_tests::guests::guest;
use serde_json::{Value, json};

use crate::engine::Network;
use crate::plugin;

/// Longer than any bound of a policy takes on a loaded machine; a call that lasts longer hangs.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// What happened on the network before.
#[derive(Clone, Copy)]
pub(crate) enum Before {
    Nothing,
    /// Another container got the guest's address.
    Leased,
    /// Another container had it until a moment ago.
    Resting,
}

/// A guest, and the circumstances of its call.
pub(crate) struct GuestCall {
    pub(crate) guest: &'static str,
    pub(crate) ipam: Value,
    pub(crate) requested: Vec<IpAddr>,
    pub(crate) before: Before,
}

pub(crate) fn call(guest: &'static str) -> GuestCall {
    GuestCall { guest, ipam: json!({}), requested: Vec::new(), before: Before::Nothing }
}

impl GuestCall {
    /// With these host keys beside the policy's name.
    pub(crate) fn with(self, ipam: Value) -> Self {
        Self { ipam, ..self }
    }

    /// With bounds that let a hundred megabytes come into being.
    pub(crate) fn with_room(self) -> Self {
        self.with(json!({"limits": {"memory": "512MiB", "fuel": 500_000_000_u64}}))
    }

    pub(crate) fn when(self, before: Before) -> Self {
        Self { before, ..self }
    }

    pub(crate) fn asked_for(self, address: &str) -> Self {
        Self { requested: vec![address.parse().unwrap()], ..self }
    }

    /// It gets an error and nothing else: in the engine, and through the plugin.
    pub(crate) fn fails(self, name: &str, code: u64) {
        // Built and compiled before the clock of the call starts: a loaded machine takes more than a minute for that.
        for guest_of_the_call in [self.guest, "honest", "answers_always_the_same"] {
            guest(guest_of_the_call);
        }
        binaries();
        let call = Arc::new(self);
        let engine = within(CALL_TIMEOUT, {
            let call = Arc::clone(&call);
            move || call.in_engine()
        });
        let fault = within(CALL_TIMEOUT, move || plugin::run(&call));
        assert_eq!(fault.msg, engine, "the plugin passes on what the engine found");
        assert_eq!(fault.code, code, "{fault:?}");
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "errors", omit_expression => true }, {
            insta::assert_snapshot!(name, format!("CNI error {code}\n{}", without_functions(&fault.msg)));
        });
    }

    fn in_engine(&self) -> String {
        let network = Network::new(&self.ipam);
        self.prelude(&network);
        let before = network.state();
        let outcome = network.add(&guest(self.guest), "victim", &self.requested);
        let error = outcome.answer.map(|granted| granted.answer).expect_err("the misbehaviour was rewarded");
        assert_eq!(network.state(), before, "the call left traces");
        let next = network.add(&guest("honest"), "next", &[]);
        next.answer.expect("a well-behaved policy suffers from another one");
        error.to_string()
    }

    fn prelude(&self, network: &Network) {
        if matches!(self.before, Before::Leased | Before::Resting) {
            let first = network.add(&guest("answers_always_the_same"), "first", &[]);
            first.answer.expect("the address is free at first");
        }
        if matches!(self.before, Before::Resting) {
            network.delete(None, "first");
        }
    }
}

/// Which functions are on the stack, and where its memory ends, is the optimiser's choice: a recursive one is always there, see
/// `a_fault_names_the_functions_on_the_stack`.
fn without_functions(message: &str) -> String {
    let text = match (message.rfind(", in "), message.rfind("; reproduce it with")) {
        (Some(start), Some(end)) if start < end => format!("{}, in FUNCTIONS{}", &message[..start], &message[end..]),
        _ => message.to_owned(),
    };
    let Some((before, after)) = text.split_once("it needed ") else { return text };
    format!("{before}it needed N{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

/// Runs it on a thread of its own and fails if it takes too long.
fn within<T: Send + 'static>(timeout: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let worker = std::thread::spawn(move || sender.send(work()));
    match receiver.recv_timeout(timeout) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after {timeout:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!("it ends by sending or by panicking"),
        },
    }
}
