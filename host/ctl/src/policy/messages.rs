//! What a toolchain prints while it builds a policy: its status at a terminal, its warnings always.

use gingham_languages::Message;

use crate::output::{Progress, print_error_lines};

/// Shows messages as they come.
pub(super) fn show() -> impl FnMut(Message<'_>) {
    let mut progress = Progress::of_terminal();
    move |message| match message {
        Message::Status(line) => {
            if let Some(progress) = &mut progress {
                progress.show(line);
            }
        }
        Message::Warning(lines) => {
            // The line of the status goes first.
            drop(progress.take());
            print_error_lines(format_args!("warnings:\n{lines}"));
            progress = Progress::of_terminal();
        }
    }
}
