//! The memory that each instance begins with.

use super::LinkError;

/// Before the list of `gingham_snapshot.py`: a count, and the addresses of so many objects.
const MARK: &[u8] = b"gingham: immortal objects";

/// `CPython` counts no references to an object with at least this count, on 32 bits.
const LEAST_IMMORTAL: u32 = 1 << 30;

/// What `CPython` gives to an immortal object.
const IMMORTAL: u32 = 5 << 28;

/// No object of a policy that was just loaded has as many references.
const MOST_REFERENCES: u32 = 1 << 24;

/// The data segments.
#[derive(Default)]
pub(super) struct Memory {
    /// In the order of their addresses.
    segments: Vec<(u32, Vec<u8>)>,
}

impl Memory {
    pub(super) fn add(&mut self, address: u32, bytes: &[u8]) {
        self.segments.push((address, bytes.to_vec()));
        self.segments.sort_by_key(|(address, _)| *address);
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.segments.iter().map(|(address, bytes)| (*address, bytes.as_slice()))
    }

    /// Makes the objects of the list immortal, if there is a list.
    pub(super) fn make_immortal(&mut self) -> Result<(), LinkError> {
        for address in self.listed()? {
            // What lies in no segment is zero: it is a static object that nobody has used.
            let Some(word) = self.word(address) else { continue };
            match u32::from_le_bytes(*word) {
                0 | LEAST_IMMORTAL.. => {}
                1..MOST_REFERENCES => *word = IMMORTAL.to_le_bytes(),
                MOST_REFERENCES..LEAST_IMMORTAL => {
                    return Err(LinkError::Unexpected { what: "an object whose references cannot be counted" });
                }
            }
        }
        Ok(())
    }

    fn listed(&self) -> Result<Vec<u32>, LinkError> {
        let find = |bytes: &[u8]| bytes.windows(MARK.len()).position(|window| window == MARK);
        let found = self.segments.iter().find_map(|(_, bytes)| Some(&bytes[find(bytes)? + MARK.len()..]));
        let Some((count, addresses)) = found.and_then(<[u8]>::split_first_chunk) else { return Ok(Vec::new()) };
        let (words, _) = addresses.as_chunks();
        let listed = words.get(..u32::from_le_bytes(*count) as usize);
        let listed = listed.ok_or(LinkError::Unexpected { what: "a list of objects that is cut" })?;
        Ok(listed.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }

    fn word(&mut self, address: u32) -> Option<&mut [u8; 4]> {
        let after = self.segments.partition_point(|(start, _)| *start <= address);
        let (start, bytes) = self.segments.get_mut(after.checked_sub(1)?)?;
        bytes.get_mut((address - *start) as usize..)?.first_chunk_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(count: u32, addresses: &[u32]) -> Memory {
        let mut memory = Memory::default();
        let mut list = [MARK, &count.to_le_bytes()].concat();
        list.extend(addresses.iter().flat_map(|address| address.to_le_bytes()));
        memory.add(1000, &list);
        memory.add(16, &[3, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0x70, 0, 0, 0, 0x20]);
        memory
    }

    #[test]
    fn listed_objects_have_no_count_of_references() {
        let mut changed = memory(3, &[16, 24, 500]);
        changed.make_immortal().unwrap();
        let (_, bytes) = changed.segments().next().unwrap();
        assert_eq!(bytes, [0, 0, 0, 0x50, 9, 9, 9, 9, 0, 0, 0, 0x70, 0, 0, 0, 0x20]);
    }

    #[test]
    fn a_list_of_anything_else_is_refused() {
        let fault = |mut memory: Memory| memory.make_immortal().unwrap_err().to_string();
        assert_eq!(fault(memory(1, &[28])), "it has an object whose references cannot be counted");
        assert_eq!(fault(memory(2, &[16])), "it has a list of objects that is cut");
    }
}
