//! Places where a test can make an ADD or DEL fail or die. In a plugin that is built without the feature `failpoints`
//! they are nothing at all.
//!
//! `GINGHAM_FAILPOINT=NAME=error` makes the place an error, `=kill` ends the process with SIGKILL there, and `=stop`
//! halts it with SIGSTOP until it gets SIGCONT.

use crate::error::NetworkError;

/// A place with a name.
#[cfg(any(test, feature = "failpoints"))]
pub fn reach(name: &'static str) -> Result<(), NetworkError> {
    use rustix::process::{Signal, getpid, kill_process};

    use gingham_cni::error::Code;

    let Ok(wanted) = std::env::var("GINGHAM_FAILPOINT") else { return Ok(()) };
    let signal = match wanted.split_once('=') {
        Some((place, "kill")) if place == name => Signal::KILL,
        Some((place, "stop")) if place == name => Signal::STOP,
        Some((place, _)) if place == name => {
            return Err(NetworkError::new(Code::INTERNAL, format!("failpoint {name}")));
        }
        _ => return Ok(()),
    };
    kill_process(getpid(), signal).map_err(|errno| NetworkError::new(Code::INTERNAL, errno.to_string()))
}

/// A place with a name, without effect in this build.
#[cfg(not(any(test, feature = "failpoints")))]
#[inline]
pub fn reach(_name: &'static str) -> Result<(), NetworkError> {
    Ok(())
}
