//! A way to a cluster's store on which whoever asks is killed: at a chosen call, before the store has it, or when the
//! store has done it and nobody was told.
//!
//! A call of gRPC is an HTTP/2 stream, and the frame with which the caller ends it is the last that the store waits for.
//! So frames are looked at, and nothing within them.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

/// Longer than a process takes to come to its first call.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every connection of HTTP/2 begins with.
const PREFACE: usize = 24;

/// In front of each frame: its length, kind, flags and stream.
const HEADER: usize = 9;

/// A flag of frames: the sender says no more on this stream.
const END_STREAM: u8 = 1;

/// When in a call its process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The store never sees the call.
    Before,
    /// The store has carried it out, and its answer is lost.
    After,
}

/// The proxy. It listens until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    store: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Which call is the last, and when its process ends.
    fatal: Option<(usize, Moment)>,
    calls: usize,
    victim: Option<OwnedFd>,
}

impl Proxy {
    /// Listens on an address of the calling thread's network namespace, for a store that is reached from there.
    pub fn start(address: SocketAddr, store: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (state, is_over) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { store, state, changed: Condvar::new(), is_over });
        let its = Arc::clone(&shared);
        let listening = std::thread::spawn(move || {
            for client in listener.incoming() {
                if its.is_over.load(Ordering::SeqCst) {
                    break;
                }
                // Who has gone again, or finds no store behind it, is one whose connection breaks.
                let _ = client.and_then(|client| join(&its, client));
            }
        });
        Self { address, shared, listening: Some(listening) }
    }

    /// The URL that stands for the store.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Who makes the call of this number, counted from 1 and from now, is killed.
    pub fn kill_at(&self, call: usize, moment: Moment) {
        *self.shared.state.lock().unwrap() = State { fatal: Some((call, moment)), ..State::default() };
    }

    /// Whom that concerns. The process must not have been waited for.
    pub fn victim(&self, process: OwnedFd) {
        self.shared.state.lock().unwrap().victim = Some(process);
        self.shared.changed.notify_all();
    }

    /// From now on nobody is killed.
    pub fn spare(&self) {
        *self.shared.state.lock().unwrap() = State::default();
    }

    /// Calls that have begun since [`Self::kill_at`] or [`Self::spare`].
    pub fn calls(&self) -> usize {
        self.shared.state.lock().unwrap().calls
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        let _ = TcpStream::connect(self.address);
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

impl Shared {
    /// Counts a call, and tells whether it is the last one.
    fn called(&self) -> Option<Moment> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        state.fatal.filter(|(call, _)| *call == state.calls).map(|(_, moment)| moment)
    }

    /// Ends the process, and waits until it has ended.
    fn kill(&self) {
        let state = self.state.lock().unwrap();
        let (mut state, waited) = self.changed.wait_timeout_while(state, PATIENCE, |s| s.victim.is_none()).unwrap();
        assert!(!waited.timed_out(), "nobody said whom to kill");
        state.fatal = None;
        let Some(process) = state.victim.take() else { return };
        drop(state);
        // It may have ended by itself, and its parent may wait for it, too.
        let _ = pidfd_send_signal(&process, Signal::KILL);
        let _ = waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    }
}

/// Puts a client and the store together.
fn join(shared: &Arc<Shared>, client: TcpStream) -> io::Result<()> {
    let store = TcpStream::connect(shared.store)?;
    client.set_nodelay(true)?;
    store.set_nodelay(true)?;
    // The stream whose answer is withheld; 0 is none.
    let withheld = Arc::new(AtomicU32::new(0));
    let ask = Direction { from: client.try_clone()?, to: store.try_clone()? };
    let answer = Direction { from: store, to: client };
    let (its, holds) = (Arc::clone(shared), Arc::clone(&withheld));
    std::thread::spawn(move || ask.end_with(|way| questions(way, &its, &holds)));
    let its = Arc::clone(shared);
    std::thread::spawn(move || answer.end_with(|way| answers(way, &its, &withheld)));
    Ok(())
}

struct Direction {
    from: TcpStream,
    to: TcpStream,
}

impl Direction {
    /// Whoever closes his end closes both.
    fn end_with(&self, carry: impl FnOnce(&Self) -> io::Result<()>) {
        let _ = carry(self);
        let _ = self.from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }
}

fn questions(way: &Direction, shared: &Shared, withheld: &AtomicU32) -> io::Result<()> {
    let mut from = BufReader::new(&way.from);
    let mut preface = [0; PREFACE];
    from.read_exact(&mut preface)?;
    (&way.to).write_all(&preface)?;
    loop {
        let frame = Frame::read(&mut from)?;
        match frame.ends_stream().then(|| shared.called()).flatten() {
            Some(Moment::Before) => {
                shared.kill();
                return Ok(());
            }
            Some(Moment::After) => withheld.store(frame.stream(), Ordering::SeqCst),
            None => {}
        }
        (&way.to).write_all(&frame.0)?;
    }
}

fn answers(way: &Direction, shared: &Shared, withheld: &AtomicU32) -> io::Result<()> {
    let mut from = BufReader::new(&way.from);
    loop {
        let frame = Frame::read(&mut from)?;
        let is_withheld = frame.stream() != 0 && frame.stream() == withheld.load(Ordering::SeqCst);
        if !is_withheld {
            (&way.to).write_all(&frame.0)?;
        } else if frame.ends_stream() {
            shared.kill();
            return Ok(());
        }
    }
}

/// A frame of HTTP/2, whole.
struct Frame(Vec<u8>);

impl Frame {
    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut frame = vec![0; HEADER];
        from.read_exact(&mut frame)?;
        let length = usize::from(frame[0]) << 16 | usize::from(frame[1]) << 8 | usize::from(frame[2]);
        frame.resize(HEADER + length, 0);
        from.read_exact(&mut frame[HEADER..])?;
        Ok(Self(frame))
    }

    fn stream(&self) -> u32 {
        u32::from_be_bytes([self.0[5] & 0x7f, self.0[6], self.0[7], self.0[8]])
    }

    /// Whether it is a DATA (0) or HEADERS (1) frame and the last of its sender.
    fn ends_stream(&self) -> bool {
        self.0[3] <= 1 && self.0[4] & END_STREAM != 0
    }
}
