//! Policies on their way through a registry: pushed, pulled, signed, installed.

mod harness;
mod hostile;
mod logins;
mod page;
mod peer;
mod proxies;
mod signatures;
mod transfers;
mod trust;
