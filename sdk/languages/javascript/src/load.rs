//! From source texts to evaluated modules: once, when a policy is built. `call` calls them, and tells both what was thrown.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rquickjs::{CatchResultExt, Context, Ctx, Function, Module, Object, Persistent, Runtime};
use serde::{Deserialize, Serialize};

use crate::modules::{self, Modules};
use crate::{call, clock, host};

/// Of the native stack that the engine gives a policy, with a margin for what is below JavaScript.
const STACK: usize = 40 << 10;

const PRELUDE: &str = include_str!("prelude.js");

/// What `policy build` hands over.
#[derive(Deserialize)]
struct Sources {
    /// The name of the policy's own module.
    main: String,
    /// Text by name; names are paths from the policy's directory.
    modules: BTreeMap<String, String>,
}

/// What came of it, for `policy build`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// The names of the functions that the policy exports and the contract knows.
    Loaded(Vec<String>),
    /// The name of a module that is imported and was not handed over.
    Missing(String),
    /// Why it does not load.
    Failed(String),
}

/// A policy that was loaded.
pub(crate) struct Script {
    pub(crate) context: Context,
    pub(crate) dispatch: Persistent<Object<'static>>,
    _runtime: Runtime,
}

thread_local! {
    pub(crate) static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
    /// What passes between `policy build` and this module.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for a text of this length.
#[unsafe(no_mangle)]
extern "C" fn gingham_text(length: usize) -> *mut u8 {
    TEXT.with_borrow_mut(|text| {
        *text = vec![0; length];
        text.as_mut_ptr()
    })
}

/// Loads the sources in the text, and puts an [`Outcome`] as JSON in its place. Returns its length.
#[unsafe(no_mangle)]
extern "C" fn gingham_load() -> usize {
    let outcome = match load(&TEXT.take()) {
        Ok(names) => Outcome::Loaded(names),
        Err(reason) => modules::missing().map_or(Outcome::Failed(reason), Outcome::Missing),
    };
    let text = serde_json::to_vec(&outcome).unwrap_or_default();
    let length = text.len();
    TEXT.set(text);
    length
}

/// Where the text begins.
#[unsafe(no_mangle)]
extern "C" fn gingham_result() -> *const u8 {
    TEXT.with_borrow(|text| text.as_ptr())
}

/// Forgets the text, so that it does not become part of the policy.
#[unsafe(no_mangle)]
extern "C" fn gingham_forget() {
    TEXT.take();
}

fn load(sources: &[u8]) -> Result<Vec<String>, String> {
    let Sources { main, mut modules } = serde_json::from_slice(sources).map_err(|error| error.to_string())?;
    let text = modules.remove(&main).ok_or_else(|| format!("there is no {main}"))?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_max_stack_size(STACK);
    let modules = Modules::of(modules);
    runtime.set_loader(modules.clone(), modules);
    let context = Context::full(&runtime).map_err(|error| error.to_string())?;
    clock::start();
    let (dispatch, names) = context.with(|ctx| evaluate(&ctx, &main, text))?;
    runtime.run_gc();
    if let Some(fault) = clock::misread() {
        return Err(fault.to_owned());
    }
    SCRIPT.set(Some(Script { context, dispatch, _runtime: runtime }));
    Ok(names)
}

fn evaluate(ctx: &Ctx<'_>, main: &str, text: String) -> Result<(Persistent<Object<'static>>, Vec<String>), String> {
    let evaluated = || -> rquickjs::Result<_> {
        let prelude: Function = ctx.eval(PRELUDE)?;
        let dispatch_of: Function = prelude.call((host::functions(ctx)?,))?;
        let (module, promise) = Module::declare(ctx.clone(), main, text)?.eval()?;
        promise.finish::<()>()?;
        let dispatch: Object = dispatch_of.call((module.namespace()?,))?;
        let names = dispatch.get("names")?;
        Ok((Persistent::save(ctx, dispatch), names))
    };
    evaluated().catch(ctx).map_err(|error| call::text_of(ctx, error))
}
