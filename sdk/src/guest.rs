//! The traits an author implements, and the glue between them and the contract.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::bindings::policy::exports::gingham::ipam::allocator;
use crate::bindings::policy::gingham::ipam::{answers, context, events, pools, request};
use crate::bindings::{adoption_hook, release_hook};
use crate::{Adopted, Answer, Context, Ended, Pool, Problem, Refusal, Request, convert, log};

/// An allocation policy.
pub trait Policy: 'static {
    /// The configuration: the keys under `ipam` that are not the host's. Keys match fields in any case, `null` means
    /// the default, and an error names the key. Unknown keys are ignored; `ginghamctl check-config` warns of them.
    type Config: DeserializeOwned + 'static;

    /// Where this network's addresses lie. Nothing else is ever handed out. It is called once for a request.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, each with its key.
    fn check_config(config: &Self::Config, context: &Context) -> Result<Vec<Pool>, Vec<Problem>>;

    /// Chooses addresses for an attachment: at least one, at most one of each pool, all of them free. `pools` is what
    /// [`Policy::check_config`] returned.
    ///
    /// # Errors
    /// A refusal, with a sentence for the operator.
    fn allocate(config: &Self::Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal>;
}

/// A policy that is called when attachments end; see [`crate::policy!`].
pub trait ReleaseHook: Policy {
    /// An attachment has ended, and holds its addresses no longer.
    fn release(config: &Self::Config, context: &Context, ended: &Ended);
}

/// A policy that is called when leases of the reference IPAM plugin `host-local` were adopted; see [`crate::policy!`].
pub trait AdoptionHook: Policy {
    /// Leases were adopted, and they are leases of this network already.
    fn adopt(config: &Self::Config, context: &Context, adopted: &Adopted);
}

/// A policy behind the contract's exports.
pub struct Exported<P>(PhantomData<P>);

impl<P: Policy> allocator::Guest for Exported<P> {
    fn check_config(config: String, context: &context::Context) -> Result<Vec<pools::Pool>, Vec<answers::Problem>> {
        log_panics();
        let checked = Checked::<P>::read(&config, &Context::new(context)).map_err(convert::problems_out)?;
        Ok(checked.pools.iter().map(convert::pool_out).collect())
    }

    fn allocate(
        config: String,
        context: &context::Context,
        request: &request::Request,
    ) -> Result<answers::Answer, answers::Refusal> {
        log_panics();
        let context = Context::new(context);
        let request = Request::new(request, &context);
        let answer = Checked::<P>::of_refusing(&config, &context).and_then(|checked| checked.answer(&request));
        answer.map(|answer| convert::answer_out(&answer)).map_err(convert::refusal_out)
    }
}

impl<P: ReleaseHook> release_hook::exports::gingham::ipam::release_hook::Guest for Exported<P> {
    fn release(config: String, context: &context::Context, ended: &events::Ended) {
        log_panics();
        let context = Context::new(context);
        match Checked::<P>::of_refusing(&config, &context) {
            Ok(checked) => P::release(&checked.config, &context, &Ended::new(ended)),
            Err(refusal) => log::error(&format!("release hook failed: {}", refusal.message())),
        }
    }
}

impl<P: AdoptionHook> adoption_hook::exports::gingham::ipam::adoption_hook::Guest for Exported<P> {
    fn adopt(config: String, context: &context::Context, adopted: &events::Adopted) {
        log_panics();
        let context = Context::new(context);
        match Checked::<P>::of_refusing(&config, &context) {
            Ok(checked) => P::adopt(&checked.config, &context, &Adopted::new(adopted)),
            Err(refusal) => log::error(&format!("adoption hook failed: {}", refusal.message())),
        }
    }
}

thread_local! {
    /// What this instance made of its configuration.
    static CHECKED: RefCell<Option<Rc<dyn Any>>> = const { RefCell::new(None) };
}

/// A configuration, read and checked. The host checks it before everything else, so it is done once for a request.
pub(crate) struct Checked<P: Policy> {
    text: String,
    pub(crate) config: P::Config,
    pools: Vec<Pool>,
}

impl<P: Policy> Checked<P> {
    pub(crate) fn read(text: &str, context: &Context) -> Result<Rc<Self>, Vec<Problem>> {
        let known = CHECKED.with_borrow(Clone::clone).and_then(|known| known.downcast::<Self>().ok());
        if let Some(known) = known.filter(|known| known.text == text) {
            return Ok(known);
        }
        let mut unknown_keys = Vec::new();
        let config = gingham_config::from_str_noting_keys(text, &mut unknown_keys);
        unknown_keys.iter().for_each(log_unknown_key);
        let config = config.map_err(|error| vec![error.into()])?;
        let pools = P::check_config(&config, context)?;
        let checked = Rc::new(Self { text: text.to_owned(), config, pools });
        CHECKED.set(Some(Rc::clone(&checked) as Rc<dyn Any>));
        Ok(checked)
    }

    /// The host calls check-config before and stops there if it fails.
    pub(crate) fn of_refusing(text: &str, context: &Context) -> Result<Rc<Self>, Refusal> {
        Self::read(text, context).map_err(|problems| match problems.into_iter().next() {
            Some(problem) => Refusal::InvalidConfig(problem),
            None => Refusal::Other("the configuration is refused without a reason".to_owned()),
        })
    }

    fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        let answer = P::allocate(&self.config, &self.pools, request)?;
        let missing: Vec<String> = request
            .requested_addresses()
            .into_iter()
            .filter(|wanted| !answer.addresses.iter().any(|assigned| assigned.address.addr() == *wanted))
            .map(|wanted| wanted.to_string())
            .collect();
        if missing.is_empty() {
            return Ok(answer);
        }
        Err(Refusal::Unavailable(format!("failed to allocate all requested IPs: {}", missing.join(" "))))
    }
}

/// In the form that the host turns into a warning where a person checks a configuration, and drops on a node. A line has
/// at most 1,024 bytes.
fn log_unknown_key(unknown: &gingham_config::UnknownKey) {
    let mut bytes = unknown.key.len();
    let fits = |field: &&&str| {
        bytes += field.len() + 3;
        bytes < 900
    };
    let known: Vec<&&str> = unknown.known.iter().take_while(fits).collect();
    if let Ok(json) = serde_json::to_string(&(&unknown.key, known)) {
        log::debug(&format!("unknown key: {json}"));
    }
}

/// A panic in a component is a bare trap; its message is worth more.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string().replace('\n', " "))));
}
