//! Two policies over sequences as `ginghamctl policy check` generates them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::history::RecordedRequest;
use gingham_engine::ipam::IpamResult;
use gingham_engine::runtime::Policy;
use serde_json::Value;

use crate::Scenario;
use crate::check::{CheckError, FILLERS, Generator, Identity, Sequence, Step, Subject, Usable, asked_keys, key, name};
use crate::replay::player::Asked;
use crate::replay::{Divergence, Replay, ReplayError, result_text, verdict_of_results};

/// Asks both policies all requests of generated sequences, with some `steps` together.
pub fn compare_generated(first: &Subject, second: &Policy, steps: usize, seed: u64) -> Result<Replay, ReplayError> {
    let usable = first.usable()?;
    let mut generator = Generator::new(first, &usable, seed, &asked_keys(first, &usable, seed)?)?;
    let other = Subject { policy: second.clone(), ..first.clone() };
    // A configuration that only one of them takes is no difference in answers.
    other.usable()?;
    let mut replay = Replay::default();
    let mut done = 0;
    while done < steps {
        let sequence = generator.sequence()?;
        done += sequence.steps.len();
        Both::new([first, &other], &usable, &sequence)?.run(&sequence.steps, &mut replay)?;
    }
    Ok(replay)
}

/// One network twice: each policy's state is its own, and the leases are those that the first one gave.
struct Both<'a> {
    networks: [Scenario; 2],
    configurations: Vec<Value>,
    containers: &'a [Identity],
    held: BTreeMap<usize, IpamResult>,
    fillers: usize,
}

impl<'a> Both<'a> {
    fn new(subjects: [&Subject; 2], usable: &[Usable], sequence: &'a Sequence) -> Result<Self, CheckError> {
        let (mut first, configurations) = subjects[0].narrowed(&sequence.narrowing, usable)?;
        let (mut second, _) = subjects[1].narrowed(&sequence.narrowing, usable)?;
        first.set_rehearsal(false);
        second.set_rehearsal(false);
        let containers = &sequence.containers;
        Ok(Self { networks: [first, second], configurations, containers, held: BTreeMap::new(), fillers: 0 })
    }

    fn run(&mut self, steps: &[Step], replay: &mut Replay) -> Result<(), ReplayError> {
        steps.iter().try_for_each(|step| self.take(step, replay))
    }

    fn take(&mut self, step: &Step, replay: &mut Replay) -> Result<(), ReplayError> {
        match step {
            Step::Add { container, requested } => self.add(*container, requested, replay)?,
            Step::Del { container } => self.end(&[*container], replay),
            Step::Retry { container } => {
                self.end(&[*container], replay);
                self.add(*container, &[], replay)?;
                self.end(&[*container], replay);
                self.add(*container, &[], replay)?;
            }
            Step::Withdraw { container } => {
                if let Some(result) = self.held.remove(container) {
                    let key = key(*container);
                    self.each(|network| drop(network.withdraw(&key, &result)));
                }
            }
            Step::Collect { containers } => self.end(containers, replay),
            Step::Fill => {
                for _ in 0..FILLERS {
                    self.fillers += 1;
                    self.add(self.containers.len() + self.fillers, &[], replay)?;
                }
            }
            Step::Reboot => {
                self.held.clear();
                self.networks.iter_mut().try_for_each(Scenario::reboot)?;
            }
            Step::Advance { by } => self.each(|network| network.advance(*by)),
            Step::SetBack { by } => {
                let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
                self.each(|network| network.set_now(network.now().saturating_sub(by)));
            }
            Step::Reconfigure { to } => {
                if let Some(ipam) = self.configurations.get(*to) {
                    self.networks.iter_mut().try_for_each(|network| network.reconfigure(ipam.clone()))?;
                }
            }
        }
        Ok(())
    }

    fn each(&mut self, act: impl FnMut(&mut Scenario)) {
        self.networks.iter_mut().for_each(act);
    }

    fn end(&mut self, containers: &[usize], replay: &mut Replay) {
        let ended = containers.iter().filter(|container| self.held.remove(container).is_some());
        let keys: Vec<AttachmentKey> = ended.map(|container| key(*container)).collect();
        replay.ends += keys.len();
        self.each(|network| drop(network.end(&keys)));
    }

    fn add(&mut self, container: usize, requested: &[IpAddr], replay: &mut Replay) -> Result<(), ReplayError> {
        if self.held.contains_key(&container) {
            return Ok(());
        }
        let identity = self.containers.get(container).cloned().unwrap_or_default();
        let [first, second] = &mut self.networks;
        let [one, two] = [&mut *first, &mut *second].map(|network| ask(network, &identity, container, requested));
        let (one, two) = (one?, two?);
        let verdict = verdict_of_results(one.result(), two.result());
        replay.note(verdict, || Divergence {
            request_number: 0,
            request: RecordedRequest::new(&one.request, &first.context(), None),
            config: first.ipam().to_string(),
            verdict,
            first: result_text(one.result()),
            second: result_text(two.result()),
            log: two.run.log.clone(),
        });
        let Ok(result) = one.run.result else {
            *second = two.into_before();
            return Ok(());
        };
        let addresses: Vec<IpAddr> = result.addresses().collect();
        second.force(&two, &addresses, result.answer.reason.clone())?;
        self.held.insert(container, result);
        Ok(())
    }
}

fn ask(
    network: &mut Scenario,
    identity: &Identity,
    container: usize,
    requested: &[IpAddr],
) -> Result<Asked, ReplayError> {
    let before = network.branch();
    let request = identity.request(network, &name(container), requested);
    let run = network.add(&request)?;
    Ok(Asked::new(request, run, before))
}
