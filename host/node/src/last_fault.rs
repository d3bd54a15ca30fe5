//! What is tried again and again says once why it fails.

use std::fmt::Display;

/// The fault of the last attempt, if it failed.
#[derive(Debug, Default)]
pub(crate) struct LastFault(Option<String>);

impl LastFault {
    /// Its text, if it is another than that of the last attempt.
    pub(crate) fn news(&mut self, fault: &impl Display) -> Option<&str> {
        let text = fault.to_string();
        if self.0.as_ref() == Some(&text) {
            return None;
        }
        Some(self.0.insert(text))
    }

    /// The attempt succeeded. Returns what it failed with until now.
    pub(crate) fn end(&mut self) -> Option<String> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::LastFault;

    #[test]
    fn a_fault_is_news_once_until_it_ends_or_is_another() {
        let mut last = LastFault::default();
        assert_eq!(last.news(&"away"), Some("away"));
        assert_eq!(last.news(&"away"), None);
        assert_eq!(last.news(&"refused"), Some("refused"));
        assert_eq!(last.end().as_deref(), Some("refused"));
        assert_eq!(last.end(), None);
        assert_eq!(last.news(&"refused"), Some("refused"));
    }
}
