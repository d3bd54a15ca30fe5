//! A net under code that others wrote and that reads what an author hands over: a panic in it is an error here.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`. A panic in it is returned as its message, and nothing of it is printed.
///
/// What `work` had in its hands may be in any state afterwards: it must not be used again.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            // Compilation's other threads have none of this; their panics arrive here after they were printed.
            if !IS_CAUGHT.get() {
                before(panic);
            }
        }));
    });
    let outer = IS_CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(outer);
    done.map_err(|panic| message(panic.as_ref()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(catch(|| 5), Ok(5));
        assert_eq!(catch(|| panic!("multiple {}", "memories")).unwrap_err(), "multiple memories");
        assert_eq!(catch(|| catch(|| panic!("inner")).unwrap_err()), Ok("inner".to_owned()));
    }
}
