//! Architectures, as the image's format and as a program's own header name them.

use std::path::Path;

use crate::ImageError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// As Go names it.
    pub architecture: &'static str,
    /// `e_machine` of an ELF file.
    machine: u16,
}

const PROGRAM_INTERPRETER: u32 = 3;

impl Platform {
    /// # Errors
    /// [`ImageError::Target`]
    pub fn of_target(target: &str) -> Result<Self, ImageError> {
        match target.split('-').next() {
            Some("x86_64") => Ok(Self { architecture: "amd64", machine: 62 }),
            Some("aarch64") => Ok(Self { architecture: "arm64", machine: 183 }),
            _ => Err(ImageError::Target { target: target.to_owned() }),
        }
    }

    /// The image has no libraries and no loader: a program that needs them would fail on the node only.
    pub(crate) fn require_static(self, path: &Path, program: &[u8]) -> Result<(), ImageError> {
        let number = |at: usize, bytes: usize| {
            let field = program.get(at..at + bytes).unwrap_or_default();
            field.iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
        };
        let is_elf64 = program.starts_with(b"\x7fELF\x02\x01");
        if !is_elf64 || number(18, 2) != usize::from(self.machine) {
            return Err(ImageError::OtherArchitecture { path: path.to_owned(), architecture: self.architecture });
        }
        let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
        let kinds = (0..count).map(|index| number(table + index * size, 4));
        if kinds.into_iter().any(|kind| kind == PROGRAM_INTERPRETER as usize) {
            return Err(ImageError::Dynamic { path: path.to_owned() });
        }
        Ok(())
    }
}
