//! What makes each write another one.
//!
//! An API server that is sent what it has stored answers 200 and writes nothing, so the object keeps its version, and a
//! delete that is still on its way to it still fits. So each write carries a random value. It also shows, after a write
//! of which nothing is known, whether what is stored is that write: a repetition carries the same value.

use gingham_ownership::shared_store::Call;
use rustix::rand::{GetRandomFlags, getrandom};

/// A task repeats a call immediately, so few are remembered.
const MOST: usize = 16;

/// Of writes of which nothing is known.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    unknown: Vec<(Call, String)>,
}

impl Nonces {
    /// The value for a write: the one that it had before, if nothing is known of that.
    pub(crate) fn of(&mut self, call: &Call) -> Result<String, String> {
        if let Some((_, nonce)) = self.unknown.iter().find(|(unknown, _)| unknown == call) {
            return Ok(nonce.clone());
        }
        let nonce = random()?;
        if self.unknown.len() == MOST {
            self.unknown.remove(0);
        }
        self.unknown.push((call.clone(), nonce.clone()));
        Ok(nonce)
    }

    /// It is known what became of a write: the same one is another write from now on.
    pub(crate) fn forget(&mut self, call: &Call) {
        self.unknown.retain(|(unknown, _)| unknown != call);
    }
}

fn random() -> Result<String, String> {
    let mut bytes = [0; 16];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(16) => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Ok(_) => Err("the system has no random numbers".to_owned()),
        Err(error) => Err(format!("the system has no random numbers: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_has_the_same_and_a_new_write_another() {
        let call = |key: &str| Call::Create { key: key.to_owned(), value: Vec::new() };
        let mut nonces = Nonces::default();
        let first = nonces.of(&call("a")).unwrap();
        assert_eq!(first.len(), 32);
        assert_ne!(nonces.of(&call("b")).unwrap(), first);
        assert_eq!(nonces.of(&call("a")).unwrap(), first);
        nonces.forget(&call("a"));
        assert_ne!(nonces.of(&call("a")).unwrap(), first);
    }

    #[test]
    fn no_number_of_lost_answers_fills_the_memory() {
        let mut nonces = Nonces::default();
        for number in 0..100 {
            nonces.of(&Call::Create { key: number.to_string(), value: Vec::new() }).unwrap();
        }
        assert_eq!(nonces.unknown.len(), MOST);
    }
}
