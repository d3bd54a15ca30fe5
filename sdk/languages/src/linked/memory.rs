//! The memory that each instance begins with.

use super::LinkError;

/// Before the list of `gingham_snapshot.py`: a count, a sum, and the addresses of so many objects.
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
        let lists: Vec<u32> = self.segments.iter().flat_map(|(start, bytes)| marks(*start, bytes)).collect();
        // What CPython wrote on its way to the list is still there, in memory that it has freed and used for other things since.
        let whole = lists.iter().find_map(|address| self.list_at(*address));
        match whole {
            Some(list) => Ok(list),
            None if lists.is_empty() => Ok(Vec::new()),
            None => Err(LinkError::Unexpected { what: "no whole list of objects" }),
        }
    }

    /// None if the sum is another one.
    fn list_at(&self, address: u32) -> Option<Vec<u32>> {
        let word = |index: u32| self.read(address.checked_add(index.checked_mul(4)?)?);
        let (count, sum) = (word(0)?, word(1)?);
        let list = (0..count).map(|index| word(index.checked_add(2)?)).collect::<Option<Vec<u32>>>()?;
        (list.iter().fold(0, |sum: u32, object| sum.wrapping_add(*object)) == sum).then_some(list)
    }

    /// None behind the last segment. Between two of them all bytes are zero.
    fn read(&self, address: u32) -> Option<u32> {
        let (start, bytes) = self.segments.last()?;
        if u64::from(address) + 4 > u64::from(*start) + bytes.len() as u64 {
            return None;
        }
        let word = [0, 1, 2, 3].map(|index| self.byte(address + index));
        Some(u32::from_le_bytes(word))
    }

    fn byte(&self, address: u32) -> u8 {
        let after = self.segments.partition_point(|(start, _)| *start <= address);
        let segment = after.checked_sub(1).and_then(|index| self.segments.get(index));
        segment.and_then(|(start, bytes)| bytes.get((address - start) as usize)).copied().unwrap_or(0)
    }

    fn word(&mut self, address: u32) -> Option<&mut [u8; 4]> {
        let after = self.segments.partition_point(|(start, _)| *start <= address);
        let (start, bytes) = self.segments.get_mut(after.checked_sub(1)?)?;
        bytes.get_mut((address - *start) as usize..)?.first_chunk_mut()
    }
}

/// The addresses behind each mark.
fn marks(start: u32, bytes: &[u8]) -> impl Iterator<Item = u32> {
    let found = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    found.filter_map(move |(at, _)| start.checked_add(u32::try_from(at + MARK.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: u32, sum: u32, addresses: &[u32]) -> Vec<u8> {
        let words = [count, sum].into_iter().chain(addresses.iter().copied());
        MARK.iter().copied().chain(words.flat_map(u32::to_le_bytes)).collect()
    }

    fn memory(lists: &[u8]) -> Memory {
        let mut memory = Memory::default();
        memory.add(1000, lists);
        memory.add(16, &[3, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0x70, 0, 0, 0, 0x20]);
        memory
    }

    #[test]
    fn listed_objects_have_no_count_of_references() {
        let mut changed = memory(&list(3, 540, &[16, 24, 500]));
        changed.make_immortal().unwrap();
        let (_, bytes) = changed.segments().next().unwrap();
        assert_eq!(bytes, [0, 0, 0, 0x50, 9, 9, 9, 9, 0, 0, 0, 0x70, 0, 0, 0, 0x20]);
    }

    /// `CPython` joins the parts of the list one by one, and frees each longer part when it has the next.
    #[test]
    fn what_is_left_of_parts_of_the_list_is_no_list() {
        let remains = [list(0x3B9A_CA00, 0, &[]), list(1, 16, &[24]), list(1, 16, &[16])].concat();
        assert_eq!(memory(&remains).listed().unwrap(), [16]);
    }

    #[test]
    fn a_list_may_lie_in_several_segments() {
        let whole = list(3, 540, &[16, 24, 500]);
        // The upper half of the sum is zero.
        let (end, next) = (MARK.len() + 6, MARK.len() + 8);
        let mut memory = memory(&whole[..end]);
        memory.add(1000 + u32::try_from(next).unwrap(), &whole[next..]);
        assert_eq!(memory.listed().unwrap(), [16, 24, 500]);
    }

    #[test]
    fn a_list_of_anything_else_is_refused() {
        let fault = |list: &[u8]| memory(list).make_immortal().unwrap_err().to_string();
        assert_eq!(fault(&list(1, 28, &[28])), "it has an object whose references cannot be counted");
        assert_eq!(fault(&list(2, 16, &[16])), "it has no whole list of objects");
    }
}
