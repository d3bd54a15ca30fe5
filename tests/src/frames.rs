//! Ethernet frames as they are, past the kernel's own protocols: what a hostile container may send.

use std::os::fd::OwnedFd;
use std::time::Duration;

use gingham_net::Mac;
use gingham_net::link;
use gingham_net::netlink::{Route, Socket};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

/// The number that IEEE keeps for experiments: no kernel has a protocol for it.
const EXPERIMENT: u16 = 0x88b5;
const BROADCAST: [u8; 6] = [0xff; 6];
const HEADER: usize = 14;

/// How long a frame may take within one machine.
const FLIGHT: Duration = Duration::from_secs(5);

/// A socket that sends and receives frames of the experimental kind on one interface.
pub struct Frames(OwnedFd);

impl Frames {
    /// On an interface of the calling thread's namespace. Frames that come from now on can be received.
    pub fn on(interface: &str) -> Self {
        let index = link::by_name(&mut Socket::<Route>::open().unwrap(), interface).unwrap().unwrap().index;
        let protocol = Protocol::from_raw(std::num::NonZeroU32::new(EXPERIMENT.to_be().into()).unwrap());
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol)).unwrap();
        bind(&socket, &LinkAddress::of(index)).unwrap();
        set_socket_timeout(&socket, Timeout::Recv, Some(FLIGHT)).unwrap();
        Self(socket)
    }

    /// Sends a text to everybody, and says it were from `sender`.
    pub fn send(&self, sender: Mac, text: &str) {
        let frame = [&BROADCAST[..], &sender.octets(), &EXPERIMENT.to_be_bytes(), text.as_bytes()].concat();
        assert_eq!(send(&self.0, &frame, SendFlags::empty()).unwrap(), frame.len());
    }

    /// The text of the next frame, without what fills it up.
    pub fn receive(&self) -> String {
        let mut frame = [0; 128];
        let (_, length) = recv(&self.0, frame.as_mut_slice(), RecvFlags::empty()).expect("a frame arrives");
        String::from_utf8(frame[HEADER..length].to_vec()).unwrap().trim_end_matches('\0').to_owned()
    }
}

/// `struct sockaddr_ll`, as far as `bind` looks at it.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    interface: i32,
    rest: [u8; 12],
}

impl LinkAddress {
    fn of(interface: u32) -> Self {
        let family = AddressFamily::PACKET.as_raw();
        Self { family, protocol: EXPERIMENT.to_be(), interface: interface.try_into().unwrap(), rest: [0; 12] }
    }
}

// SAFETY: the closure gets a pointer to this structure, which is laid out as the kernel's, and its exact size.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<Self>().try_into().unwrap())
    }
}
