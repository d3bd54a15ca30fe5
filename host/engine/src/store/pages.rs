//! A look at LMDB's file before LMDB maps it.
//!
//! LMDB believes its file: a page that is not there is a SIGBUS, a page of zeros is undefined. So its header and length
//! are checked at every opening, and all its pages when there is a reason to doubt them: after a reboot, which may have
//! been a loss of power, and when the file is shorter than its pages. Contents are not checked: LMDB keeps no checksums.
//!
//! Layout: LMDB's data version 1, in the machine's own byte order and word size, as `mdb.c` has it (`MDB_page`,
//! `MDB_meta`, `MDB_node`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const WORD: usize = size_of::<usize>();
/// Page number, padding, flags, and the bounds of the free space in the page.
const PAGE_HEADER: usize = WORD + 8;
/// Low and high half of a size or page number, flags, key size.
const NODE_HEADER: usize = 8;
/// Padding, flags, depth, four counts and the root.
const TREE: usize = 8 + 5 * WORD;
/// Magic, version, address and size of the map, two trees, last page, transaction.
const META: usize = 8 + 2 * WORD + 2 * TREE + 2 * WORD;

const MAGIC: u32 = 0xBEEF_C0DE;
const VERSION: u32 = 1;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META_PAGE: u16 = 0x08;
/// On a node: its value is on pages of its own.
const BIG: u16 = 0x01;
/// The flags that change how a tree is read, and the one that the list of free pages has.
const KINDS: u16 = 0x7e;
const INTEGER_KEYS: u16 = 0x08;
/// LMDB's cursors go no deeper.
const DEEPEST: u16 = 32;
/// The root of an empty tree.
const NO_PAGE: usize = usize::MAX;

#[derive(Debug)]
pub(super) enum Doubt {
    Io(io::Error),
    /// It is malformed.
    Damaged(String),
}

impl From<io::Error> for Doubt {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn damaged<T>(what: impl Into<String>) -> Result<T, Doubt> {
    Err(Doubt::Damaged(what.into()))
}

#[derive(Debug)]
pub(super) struct Pages {
    /// Bytes in a page.
    size: usize,
    /// The highest page that was ever used.
    last: usize,
    /// The list of free pages, and the tables.
    roots: [usize; 2],
    transaction: usize,
}

impl Pages {
    /// Reads both headers; the later one counts.
    pub(super) fn read(file: &File) -> Result<Self, Doubt> {
        let first = Self::read_at(file, 0)?;
        let second = Self::read_at(file, first.size as u64)?;
        let later = if second.transaction > first.transaction { second } else { first };
        if later.roots.iter().any(|root| *root != NO_PAGE && !(2..=later.last).contains(root)) {
            return damaged("its header names pages it does not have");
        }
        Ok(later)
    }

    fn read_at(file: &File, offset: u64) -> Result<Self, Doubt> {
        let mut header = [0; PAGE_HEADER + META];
        match file.read_exact_at(&mut header, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return damaged("it is not an LMDB file"),
            done => done?,
        }
        let (page, meta) = header.split_at(PAGE_HEADER);
        if half(page, WORD + 2) & META_PAGE == 0 || quarter(meta, 0) != MAGIC {
            return damaged("it is not an LMDB file");
        }
        if quarter(meta, 4) != VERSION {
            return damaged(format!("it is an LMDB file of format version {}", quarter(meta, 4)));
        }
        let trees = 8 + 2 * WORD;
        let size = quarter(meta, trees) as usize;
        if !size.is_power_of_two() || !(256..=65536).contains(&size) {
            return damaged(format!("by its header pages have {size} bytes"));
        }
        let kind = |tree: usize| half(meta, trees + tree * TREE + 4) & KINDS;
        let depth = |tree: usize| half(meta, trees + tree * TREE + 6);
        if (kind(0), kind(1)) != (INTEGER_KEYS, 0) || depth(0) > DEEPEST || depth(1) > DEEPEST {
            return damaged("its tables are of an unknown kind");
        }
        let root = |tree: usize| word(meta, trees + (tree + 1) * TREE - WORD);
        let end = trees + 2 * TREE;
        Ok(Self { size, last: word(meta, end), roots: [root(0), root(1)], transaction: word(meta, end + WORD) })
    }

    /// How long the file is if its last page is in it. Shorter ones are possible: a transaction that takes pages at the
    /// end and does not need them after all leaves them out.
    pub(super) fn full_length(&self) -> u64 {
        (self.last as u64).saturating_add(1).saturating_mul(self.size as u64)
    }

    /// Whether nothing was ever committed to it.
    pub(super) fn is_of_no_commit(&self) -> bool {
        self.transaction == 0
    }

    /// Reads every page in use and checks that it is one, and that what it refers to is in the file. O(pages).
    pub(super) fn check_all(&self, file: &File) -> Result<(), Doubt> {
        let length = file.metadata()?.len();
        let mut waiting: Vec<usize> = self.roots.into_iter().filter(|root| *root != NO_PAGE).collect();
        let mut page = vec![0; self.size];
        let mut seen = 0;
        while let Some(number) = waiting.pop() {
            seen += 1;
            if seen > self.last {
                return damaged("its pages refer to each other in a circle");
            }
            self.read_page(file, number, &mut page)?;
            match half(&page, WORD + 2) & (BRANCH | LEAF | OVERFLOW) {
                BRANCH => {
                    for node in self.nodes(number, &page)? {
                        waiting.push(child(node));
                    }
                }
                LEAF => {
                    for node in self.nodes(number, &page)? {
                        self.check_value(node, number, length)?;
                    }
                }
                _ => return damaged(format!("its page {number} is malformed")),
            }
        }
        Ok(())
    }

    fn read_page(&self, file: &File, number: usize, page: &mut [u8]) -> Result<(), Doubt> {
        let missing = || damaged(format!("its page {number} is missing"));
        if number > self.last {
            return missing();
        }
        match file.read_exact_at(page, number as u64 * self.size as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return missing(),
            done => done?,
        }
        if word(page, 0) != number {
            return damaged(format!("its page {number} is malformed"));
        }
        Ok(())
    }

    /// The nodes of a branch or leaf, each to the end of the page.
    fn nodes<'p>(&self, number: usize, page: &'p [u8]) -> Result<Vec<&'p [u8]>, Doubt> {
        let end_of_offsets = usize::from(half(page, WORD + 4));
        if !(PAGE_HEADER..=self.size).contains(&end_of_offsets) {
            return damaged(format!("its page {number} is malformed"));
        }
        let node = |offset: &'p [u8]| {
            let node = page.get(usize::from(half(offset, 0))..)?;
            let key = usize::from(half(node.get(..NODE_HEADER)?, 6));
            (node.len() >= NODE_HEADER + key).then_some(node)
        };
        let nodes = page[PAGE_HEADER..end_of_offsets].chunks_exact(2).map(node).collect::<Option<_>>();
        nodes.ok_or_else(|| Doubt::Damaged(format!("its page {number} is malformed")))
    }

    /// A leaf's value has to lie within the page, or on whole pages of its own within the file.
    fn check_value(&self, node: &[u8], number: usize, length: u64) -> Result<(), Doubt> {
        let start = NODE_HEADER + usize::from(half(node, 6));
        let size = low_and_high(node);
        let inside = match half(node, 4) {
            0 => node.len() >= start + size,
            BIG => node.get(start..start + WORD).is_some_and(|at| {
                let end =
                    (word(at, 0) as u64).saturating_mul(self.size as u64).saturating_add((PAGE_HEADER + size) as u64);
                word(at, 0) <= self.last && end <= length
            }),
            _ => return damaged(format!("its page {number} was not written by Gingham")),
        };
        if inside { Ok(()) } else { damaged(format!("a value of its page {number} is missing")) }
    }
}

/// The page a branch's node leads to.
fn child(node: &[u8]) -> usize {
    let high = if WORD > 4 { usize::from(half(node, 4)) << (WORD * 4) } else { 0 };
    low_and_high(node) | high
}

fn low_and_high(node: &[u8]) -> usize {
    quarter(node, 0) as usize
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn quarter(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn word(bytes: &[u8], at: usize) -> usize {
    let mut word = [0; WORD];
    word.copy_from_slice(&bytes[at..at + WORD]);
    usize::from_ne_bytes(word)
}
