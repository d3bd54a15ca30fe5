//! Sequences from a seed that people can type: the same seed gives the same sequences.

use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::CheckError;
use super::narrowing::Usable;
use super::sequence::Sequence;
use super::strategy::Material;
use super::subject::Subject;

pub(crate) struct Generator {
    strategy: BoxedStrategy<Sequence>,
    runner: TestRunner,
}

impl Generator {
    /// Pods have labels and annotations with these keys, beside those that the configuration names.
    pub(crate) fn new(subject: &Subject, usable: &[Usable], seed: u64, asked: &[String]) -> Result<Self, CheckError> {
        let (cooldown, is_cluster) = (subject.cooldown()?, subject.policy.is_cluster());
        let strategy = Material::new(&subject.configurations, usable, is_cluster, cooldown).asked(asked).sequences();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Ok(Self { strategy, runner: TestRunner::new_with_rng(Config::default(), random) })
    }

    /// A sequence that can be made simpler.
    pub(super) fn tree(&mut self) -> Result<impl ValueTree<Value = Sequence> + use<>, CheckError> {
        let tree = self.strategy.new_tree(&mut self.runner);
        tree.map_err(|reason| CheckError::Generator { reason: reason.to_string() })
    }

    pub(crate) fn sequence(&mut self) -> Result<Sequence, CheckError> {
        Ok(self.tree()?.current())
    }
}
