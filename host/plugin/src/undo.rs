//! The undo stack: each step that changes the world leaves the name of its inverse here.

/// What has to be taken back if the work does not succeed, the newest last.
#[derive(Debug)]
#[must_use = "unwind it, or disarm it"]
pub(crate) struct UndoStack<S> {
    steps: Vec<S>,
}

impl<S> UndoStack<S> {
    /// Nothing was done yet.
    pub(crate) fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Remembers how to take back what is about to be done. Pushed before the deed wherever taking back what was never
    /// done is harmless, so that a deed that failed half-way is covered.
    pub(crate) fn push(&mut self, step: S) {
        self.steps.push(step);
    }

    /// The work succeeded: nothing is to be taken back.
    pub(crate) fn disarm(self) {
        drop(self);
    }

    /// Takes everything back, newest first. A step that fails does not stop the others; all errors are returned.
    pub(crate) fn unwind<E>(self, mut take_back: impl FnMut(S) -> Result<(), E>) -> Vec<E> {
        self.steps.into_iter().rev().filter_map(|step| take_back(step).err()).collect()
    }
}

impl<S> Default for UndoStack<S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_taken_back_first_and_errors_stop_nothing() {
        let mut undo = UndoStack::new();
        (1..=3).for_each(|step| undo.push(step));
        let mut seen = Vec::new();
        let errors = undo.unwind(|step| {
            seen.push(step);
            if step == 2 { Err("two") } else { Ok(()) }
        });
        assert_eq!((seen, errors), (vec![3, 2, 1], vec!["two"]));
    }
}
