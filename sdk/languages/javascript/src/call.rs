//! Calls from the host into JavaScript, and what comes back: a value, a refusal or an error.

use gingham_sdk::{Problem, Refusal, log};
use rquickjs::promise::MaybePromise;
use rquickjs::{CatchResultExt, CaughtError, Ctx, Function, Object, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock;
use crate::load::SCRIPT;

/// As many frames of a stack as an operator reads.
const FRAMES: usize = 5;

/// An `Error` has no JSON form.
const PLAIN: &str =
    "({refusal, message, afterMs, problems}) => ({refusal, message: String(message), afterMs, problems})";

/// A refusal that JavaScript threw; `gingham.js` makes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refused {
    refusal: String,
    message: String,
    after_ms: Option<f64>,
    #[serde(default)]
    problems: Vec<ProblemText>,
}

#[derive(Deserialize)]
struct ProblemText {
    key: String,
    message: String,
}

impl Refused {
    pub(crate) fn into_refusal(self) -> Refusal {
        let message = self.message;
        match self.refusal.as_str() {
            "exhausted" => Refusal::Exhausted(message),
            "unavailable" => Refusal::Unavailable(message),
            "try-again" => Refusal::TryAgain { message, after: self.after_ms.map(after) },
            "denied" => Refusal::Denied(message),
            "invalid-config" => {
                let problem =
                    self.problems.into_iter().next().map(|problem| Problem::new(problem.key, problem.message));
                Refusal::InvalidConfig(problem.unwrap_or_else(|| Problem::new("", message)))
            }
            _ => Refusal::Other(message),
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        if self.problems.is_empty() {
            return vec![Problem::new("", self.message)];
        }
        self.problems.into_iter().map(|problem| Problem::new(problem.key, problem.message)).collect()
    }
}

fn after(millis: f64) -> std::time::Duration {
    std::time::Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default()
}

/// Calls one of the policy's functions. Everything but a value or a refusal ends the request.
pub(crate) fn returned<T: DeserializeOwned>(function: &str, arguments: &[serde_json::Value]) -> Result<T, Refused> {
    let text = match run(function, arguments) {
        Ok(text) => text,
        Err(Failure::Refused(refused)) => return Err(refused),
        Err(Failure::Thrown(text)) => fail(&text),
    };
    serde_json::from_str(&text).map_or_else(
        |error| {
            let shown: String = text.chars().take(200).collect();
            fail(&format!("{function} returned {shown}: {error}"))
        },
        Ok,
    )
}

/// Calls one of the policy's hooks: nothing comes back, and nobody waits.
pub(crate) fn hook(function: &str) {
    match run(function, &[]) {
        Ok(_) => (),
        Err(Failure::Refused(refused)) => fail(&format!("{function} refused: {}", refused.message)),
        Err(Failure::Thrown(text)) => fail(&text),
    }
}

enum Failure {
    Refused(Refused),
    Thrown(String),
}

/// The JSON of what the function returned.
fn run(function: &str, arguments: &[serde_json::Value]) -> Result<String, Failure> {
    SCRIPT.with_borrow(|script| {
        let Some(script) = script else { fail("no policy was loaded: build it with ginghamctl policy build") };
        let outcome = script.context.with(|ctx| {
            let called = || -> rquickjs::Result<String> {
                let dispatch = script.dispatch.clone().restore(&ctx)?;
                let target: Function = dispatch.get(function)?;
                let arguments = serde_json::Value::from(arguments).to_string();
                let json: MaybePromise = target.call((ctx.json_parse(arguments)?,))?;
                json.finish::<String>()
            };
            called().catch(&ctx).map_err(|error| failure_of(&ctx, error))
        });
        match clock::misread() {
            Some(fault) => Err(Failure::Thrown(fault.to_owned())),
            None => outcome,
        }
    })
}

fn failure_of<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> Failure {
    let refused = match &error {
        CaughtError::Exception(exception) => refused(ctx, exception.as_object()),
        _ => None,
    };
    refused.map_or_else(|| Failure::Thrown(text_of(ctx, error)), Failure::Refused)
}

fn refused<'js>(ctx: &Ctx<'js>, thrown: &Object<'js>) -> Option<Refused> {
    thrown.get::<_, Option<String>>("refusal").ok().flatten()?;
    let plain: Function = ctx.eval(PLAIN).ok()?;
    let plain: Value = plain.call((thrown.clone(),)).ok()?;
    serde_json::from_str(&ctx.json_stringify(plain).ok()??.to_string().ok()?).ok()
}

/// "TypeError: not a function at pick (policy.js:12:5), allocate (policy.js:30:12)".
pub(crate) fn text_of<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            let name: String = exception.as_object().get("name").unwrap_or_else(|_| "Error".to_owned());
            let message = exception.message().unwrap_or_default();
            let stack = exception.stack().unwrap_or_default();
            let frames: Vec<&str> = stack
                .lines()
                .filter_map(|line| line.trim().strip_prefix("at "))
                .filter(|frame| !frame.contains("eval_script") && !frame.ends_with("(native)"))
                .take(FRAMES)
                .collect();
            let at = if frames.is_empty() { String::new() } else { format!(" at {}", frames.join(", ")) };
            format!("{name}: {message}{at}")
        }
        CaughtError::Value(value) => {
            let shown = ctx.json_stringify(value).ok().flatten().and_then(|text| text.to_string().ok());
            format!("{} was thrown; throw an Error to see where", shown.as_deref().unwrap_or("a value"))
        }
        CaughtError::Error(rquickjs::Error::WouldBlock) => {
            "a promise was returned that never settles: there are no timers and no I/O to wait for".to_owned()
        }
        CaughtError::Error(error) => error.to_string(),
    }
}

/// Ends the request with a message.
pub(crate) fn fail(text: &str) -> ! {
    log::error(text);
    core::arch::wasm32::unreachable()
}
