//! The report of a trial: a word in front, the rest beside it.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use super::address_source::AddressSource;
use super::config::TrialConfig;
use crate::clock::format_duration;
use crate::output::Output;
use crate::policy::short_digest;

pub(super) struct TrialReport<'a> {
    out: &'a mut Output,
}

impl<'a> TrialReport<'a> {
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self { out }
    }

    /// Tells something; further lines stand below the first.
    pub(super) fn line(&mut self, word: &str, text: impl Display) -> io::Result<()> {
        let text = text.to_string();
        for (index, line) in text.lines().enumerate() {
            let word = if index == 0 { word } else { "" };
            writeln!(self.out, "{}", format!("{word:<8} {line}").trim_end())?;
        }
        // Steps may take long; what was done is seen before the next one.
        self.out.flush()
    }

    pub(super) fn begin(
        &mut self,
        config: &TrialConfig,
        address_source: &AddressSource,
        user_namespace: bool,
    ) -> io::Result<()> {
        let TrialConfig { network, title, version, kind, .. } = config;
        self.line("network", format!("{network} ({title}), CNI {version}, with the plugin as {kind}"))?;
        for note in &config.notes {
            self.line("", note)?;
        }
        self.line("policy", chosen_by(address_source))?;
        let user = if user_namespace { "user, " } else { "" };
        self.line("sandbox", format!("new {user}network and mount namespaces, with an empty /run and /var/lib"))
    }

    pub(super) fn end(&mut self, whole: Duration) -> io::Result<()> {
        self.line("success", format!("in {}; nothing on this machine was changed", format_duration(whole)))
    }
}

fn chosen_by(address_source: &AddressSource) -> String {
    let wasm = |name: &str, digest: &str, source: &str| {
        format!("{name} {} ({source}): a WebAssembly component", short_digest(digest))
    };
    match address_source {
        AddressSource::None => "none: layer 2 only, without addresses".to_owned(),
        AddressSource::BuiltIn { name, digest } => wasm(name, digest, "built in"),
        AddressSource::Installed(policy) => wasm(&policy.name, &policy.installed.digest.to_string(), "installed"),
        AddressSource::Unknown { name } => format!("{name}, neither built in nor installed"),
        AddressSource::Other { plugin } => {
            format!("none: the IPAM plugin {plugin} on CNI_PATH allocates the addresses")
        }
    }
}
