//! Signals to this program are meant for the command it runs.

use std::io;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// They are caught from now on until the program ends, so nothing stays half done.
pub(super) struct Signals {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The command, once it runs: a descriptor that is never another process's.
    command: Option<OwnedFd>,
    /// The last signal that came before that.
    early: Option<i32>,
}

impl Signals {
    /// Begins to catch them.
    pub(super) fn catch() -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let mut caught = SignalsInfo::<WithOrigin>::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for origin in &mut caught {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match &state.command {
                    None => state.early = Some(origin.signal),
                    // A terminal has sent it to the command as well.
                    Some(_) if origin.cause == Cause::Kernel => {}
                    Some(command) => pass_on(command, origin.signal),
                }
            }
        });
        Ok(Self { state })
    }

    /// The exit code for a signal that came before the command was started.
    pub(super) fn is_told_to_end(&self) -> Option<u8> {
        let early = self.state.lock().unwrap_or_else(PoisonError::into_inner).early?;
        u8::try_from(128 + early).ok()
    }

    /// Passes signals on to the command, and those that came while it was started.
    pub(super) fn belong_to(&self, child: &Child) -> io::Result<()> {
        let command = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(early) = state.early {
            pass_on(&command, early);
        }
        state.command = Some(command);
        Ok(())
    }
}

/// Whoever has ended needs no signal.
fn pass_on(command: &OwnedFd, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = pidfd_send_signal(command, signal);
    }
}
