//! Looking at a node.

use crate::error::ClusterError;
use crate::local::LocalState;
use crate::observation::Observation;
use crate::record::{self, MemberRecord, Seen};
use crate::shared_store::{Call, Reply};
use crate::task::{Outstanding, Step, Task};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observe {
    node: String,
    member: Option<Seen<MemberRecord>>,
    out: Outstanding,
}

impl Observe {
    pub fn node(node: &str) -> Self {
        Self { node: node.to_owned(), member: None, out: Outstanding::default() }
    }

    fn next(&mut self, reply: Reply) -> Result<Step<Result<Observation, ClusterError>>, ClusterError> {
        let found = match reply {
            Reply::Got(found) => found,
            Reply::Unknown(fault) => return Ok(Step::Call(self.out.repeat(fault)?)),
            Reply::Refused(fault) => return Err(fault.into()),
            _ => return Err(ClusterError::UnexpectedReply),
        };
        match self.member.take() {
            // The member first: if it comes back between the two, its version is another than the one seen.
            None => {
                let found = found.ok_or_else(|| ClusterError::NoSuchMember { node: self.node.clone() })?;
                let record = record::read(&record::member_key(&self.node), &found.value)?;
                self.member = Some(Seen { record, version: found.version });
                Ok(Step::Call(self.out.send(Call::Get { key: record::life_key(&self.node) })))
            }
            Some(member) => {
                let life = found.and_then(|found| record::read(&record::life_key(&self.node), &found.value).ok());
                Ok(Step::Done(Ok(Observation::of(&self.node, &member, life.as_ref()))))
            }
        }
    }
}

impl Task for Observe {
    type Output = Result<Observation, ClusterError>;

    fn start(&mut self, _local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        Step::Call(self.out.send(Call::Get { key: record::member_key(&self.node) }))
    }

    fn resume(&mut self, reply: Reply, _local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.next(reply).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
