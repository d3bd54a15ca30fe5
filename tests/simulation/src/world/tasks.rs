//! The steps of tasks, each under its node's lock, and what they come to.

use gingham_ownership::claim::{Claim, ClaimError};
use gingham_ownership::confirm::Confirm;
use gingham_ownership::error::ClusterError;
use gingham_ownership::join::Join;
use gingham_ownership::leave::Leave;
use gingham_ownership::local::BlockState;
use gingham_ownership::record::Key;
use gingham_ownership::release::Release;
use gingham_ownership::shared_store::{Call, Reply};
use gingham_ownership::sync::Sync;
use gingham_ownership::takeover::{Observe, Takeover};
use gingham_ownership::task::{Step, Task};

use super::{Done, World};
use crate::chooser::AnyChooser;
use crate::decision::What;
use crate::disk::Disk;
use crate::machine::Machine;
use crate::process::{Leg, Outcome, Process, Running};
use crate::truth::Violation;

impl<D: Disk> World<D> {
    pub(super) fn task(&self, number: usize, what: What) -> Option<Running> {
        let machine = &self.machines[number];
        let rules = self.setup.rules;
        let cooldown = self.setup.cooldown;
        Some(match what {
            What::Join => Running::Join(Join::new(machine.identity(), vec![self.setup.grid], "simulated").under(rules)),
            What::Claim => {
                let native = AnyChooser::Native(self.setup.chooser);
                let chooser = self.setup.component.map_or(native, AnyChooser::Component);
                Running::Claim(Claim::new(chooser, 0, cooldown).under(rules))
            }
            What::Release => {
                Running::Release(Release::new(machine.idle(machine.clock(self.now, &self.setup))).under(rules))
            }
            What::Sync => Running::Sync(Sync::new().under(rules)),
            What::Confirm => Running::Confirm(Confirm::new(machine.uptime).under(rules)),
            What::Beat if !self.setup.store.leases => Running::Beat(machine.beat.clone()),
            What::Leave if machine.pods.is_empty() => Running::Leave(Leave::new()),
            What::Observe { of } => Running::Observe(Observe::node(self.setup.nodes.get(of)?)),
            What::TakeOver { of } => {
                let node = self.setup.nodes.get(of)?;
                if self.machines.iter().any(|machine| machine.is_on && machine.node == *node) {
                    return None;
                }
                Running::Takeover(Takeover::ordered(machine.observations.get(&of)?.clone(), false).under(rules))
            }
            What::TakeOverWatched { of } if self.setup.store.leases => {
                let observation = machine.observations.get(&of)?.clone();
                Running::Takeover(Takeover::ordered(observation, false).expecting_life().under(rules))
            }
            What::Beat | What::Leave | What::TakeOverWatched { .. } => return None,
            What::TakeOverSilent { of } => {
                Running::Takeover(Takeover::upon_silence(machine.observations.get(&of)?.clone()).under(rules))
            }
        })
    }

    /// One step of a task: under the node's lock, durable before anything leaves.
    pub(super) fn step(&mut self, number: usize, process: usize, mut task: Running, reply: Option<Reply>) {
        let machine = &mut self.machines[number];
        machine.reload();
        let mut local = machine.local.clone();
        let now = machine.now(self.now);
        let step = match reply {
            None => task.start(&mut local, now),
            Some(reply) => task.resume(reply, &mut local, now),
        };
        if let Step::Done(Outcome::Join(Ok(_))) = &step {
            // As its caller does: it sleeps at no moment in which a task is under way.
            local.confirm(machine.uptime);
        }
        machine.save(local);
        match step {
            Step::Call(call) => {
                self.counts.calls += 1;
                let done = check_call(machine, &call);
                let leg = Leg::There(self.stamped(call));
                self.machines[number].processes[process] = Some(Process { task, leg });
                self.note(done);
            }
            Step::Done(outcome) => {
                machine.processes[process] = None;
                if let Running::Beat(beat) = task {
                    machine.beat = beat;
                }
                let done = self.ended(number, outcome);
                self.note(done);
            }
        }
        self.serves(number);
    }

    fn ended(&mut self, number: usize, outcome: Outcome) -> Done {
        if let Some(
            error @ (ClusterError::UnexpectedReply | ClusterError::Rewound { .. } | ClusterError::Unreadable { .. }),
        ) = outcome.error()
        {
            return Err(Violation::new(format!("machine {number}: {error}")));
        }
        match outcome {
            Outcome::Join(Ok(_)) => self.counts.joins += 1,
            Outcome::Claim(Ok(claimed)) => {
                self.counts.claims += 1;
                self.counts.claims_of_the_dead += u64::from(claimed.was_anothers);
            }
            Outcome::Claim(Err(ClaimError::BadProposal { block, why })) => {
                return Err(Violation::new(format!("machine {number} was to claim {block}, which {why}")));
            }
            Outcome::Claim(Err(ClaimError::Refused(_))) => self.counts.exhausted += 1,
            Outcome::Release(Ok(released)) => self.counts.released += released.blocks.len() as u64,
            Outcome::Sync(Ok(synced)) if !synced.lost.is_empty() => {
                return Err(Violation::new(format!("machine {number} lost {:?}", synced.lost)));
            }
            Outcome::Observe(Ok(observation)) => {
                let of = self.setup.nodes.iter().position(|node| *node == observation.node);
                self.machines[number].observations.extend(of.map(|of| (of, observation)));
            }
            Outcome::Takeover(Ok(_)) => self.counts.takeovers += 1,
            _ => {}
        }
        Ok(())
    }
}

/// I4: whatever may give a block away leaves only after the block has left the disk, and only if no container uses it.
fn check_call<D: Disk>(machine: &Machine<D>, call: &Call) -> Done {
    let Call::Delete { key, expected } = call else { return Ok(()) };
    let Key::Block(block) = Key::read(key) else { return Ok(()) };
    let on_disk = machine.disk.local(&machine.boot_id());
    let entry = on_disk.blocks().find(|entry| entry.block == block && entry.version == *expected);
    // Another process of the node may have taken the block back in a later version.
    let Some(entry) = entry else { return Ok(()) };
    if matches!(entry.state, BlockState::Held { .. }) {
        return Err(Violation::new(format!(
            "{} gives {block} back while its disk says that it holds it",
            machine.node
        )));
    }
    match machine.pods.values().find(|address| block.contains(*address)) {
        Some(address) => Err(Violation::new(format!("{} gives {block} back while {address} is in use", machine.node))),
        None => Ok(()),
    }
}
