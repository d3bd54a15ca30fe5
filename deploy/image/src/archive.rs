//! Tar archives whose bytes depend on their content only: no times, no owners but root.

use std::fmt::Write as _;

use crate::ImageError;

const BLOCK: usize = 512;

#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    pub(crate) fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<(), ImageError> {
        // Eleven octal digits.
        if content.len() >= 1 << 33 {
            return Err(ImageError::TooLarge { name: name.to_owned(), size: content.len() });
        }
        self.header(name, mode, content.len(), b'0', "");
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    pub(crate) fn directory(&mut self, name: &str) {
        self.header(name, 0o755, 0, b'5', "");
    }

    pub(crate) fn link(&mut self, name: &str, leads_to: &str) {
        self.header(name, 0o777, 0, b'2', leads_to);
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }

    /// POSIX ustar. All names here are shorter than its field.
    fn header(&mut self, name: &str, mode: u32, size: usize, kind: u8, link: &str) {
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        let octal = |digits: usize, number: usize| {
            let mut text = String::new();
            let _ = write!(text, "{number:0digits$o}");
            text
        };
        put(0, name.as_bytes());
        put(100, octal(7, mode as usize).as_bytes());
        put(108, octal(7, 0).as_bytes());
        put(116, octal(7, 0).as_bytes());
        put(124, octal(11, size).as_bytes());
        put(136, octal(11, 0).as_bytes());
        // The checksum is that of the header with spaces in its place.
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: usize = header.iter().map(|byte| usize::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{}\0", octal(6, sum)).as_bytes());
        self.bytes.extend_from_slice(&header);
    }
}
