//! The model file, read in place. All numbers little-endian.
//!
//! ```text
//! "DVTAG\x01" ‖ log₂ rows (u8) ‖ log₂ buckets (u8) ‖ log₂ phrases (u8) ‖ 7 × 0
//! transitions   8 × 8 × i16      from label (row 7: from the start) to label
//! calibration   64 × u8          score × 255 for each step of the mean margin of a name
//! rows          2^rows × 8       7 × u8 (128 + weight), one a label, ‖ check byte; no pair of rows has one check twice
//! buckets       2^buckets × 32   8 × (u16 check ‖ u16 flags): the words of the gazetteers
//! phrases       2^phrases × 4    hashes of names of several words, open addressing, 0 is empty
//! ```

use thiserror::Error;

/// Labels of a token: outside, and the first and a further token of a person, a place, an organisation.
pub const LABELS: usize = 7;
/// The first bytes of a model.
pub const MAGIC: [u8; 6] = *b"DVTAG\x01";
/// Steps of the calibration table.
pub const STEPS: usize = 64;
const HEADER: usize = 16;
/// Weights of 0.
const UNKNOWN: u64 = 0x0080_8080_8080_8080;

/// Why bytes are no model.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// They do not begin as a model of this version does.
    #[error("not a tagger model of this version")]
    Magic,
    /// Their length is not what the header says.
    #[error("the model has {found} bytes, its header says {expected}")]
    Length {
        /// Bytes by the header.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
}

/// A model over its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Two rows each.
    pairs: &'a [[u8; 16]],
    /// `33 − log₂ rows`.
    shift: u32,
    /// Weight of going from a label (7: from the start) to another.
    pub transitions: [[i32; 8]; 8],
    calibration: &'a [u8],
    /// Word and phrase lists.
    pub gazetteer: Gazetteer<'a>,
}

impl<'a> Model<'a> {
    /// Reads the header and finds the tables.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Err(ModelError::Magic) };
        let (rows, buckets, phrases) = (header[6], header[7], header[8]);
        if header[..6] != MAGIC
            || !(2..=24).contains(&rows)
            || !(1..=24).contains(&buckets)
            || !(1..=24).contains(&phrases)
        {
            return Err(ModelError::Magic);
        }
        let lengths = [128, STEPS, 8 << rows, 32 << buckets, 4 << phrases];
        let expected = HEADER + lengths.iter().sum::<usize>();
        if bytes.len() != expected {
            return Err(ModelError::Length { expected, found: bytes.len() });
        }
        let mut rest = rest;
        let mut parts = lengths.map(|length| {
            let (part, tail) = rest.split_at(length);
            rest = tail;
            part
        });
        let mut transitions = [[0; 8]; 8];
        for (to, from) in transitions.as_flattened_mut().iter_mut().zip(parts[0].as_chunks::<2>().0) {
            *to = i32::from(i16::from_le_bytes(*from));
        }
        let calibration = std::mem::take(&mut parts[1]);
        Ok(Self {
            pairs: parts[2].as_chunks().0,
            shift: 33 - u32::from(rows),
            transitions,
            calibration,
            gazetteer: Gazetteer {
                buckets: parts[3].as_chunks().0,
                shift: 32 - u32::from(buckets),
                phrases: parts[4].as_chunks().0,
            },
        })
    }

    /// The sums of the weights of all features, a label each. A feature is in one of two neighbouring rows or not known. All rows
    /// are fetched first, so that the processor waits for memory once and not for each; then there are no branches, since
    /// which row it is cannot be foretold.
    #[inline]
    pub fn sums<const N: usize>(&self, features: &[u32; N]) -> [i32; 8] {
        const LANES: u64 = 0x00ff_00ff_00ff_00ff;
        let mut pairs = [0_u128; N];
        for (pair, feature) in pairs.iter_mut().zip(features) {
            *pair = self.pairs.get((feature >> self.shift) as usize).map_or(0, |rows| u128::from_le_bytes(*rows));
        }
        let (mut even, mut odd) = (0_u64, 0_u64);
        for (feature, pair) in features.iter().zip(&pairs) {
            let (first, second) = (*pair as u64, (*pair >> 64) as u64);
            // All ones where the check byte is that of the feature: 0 − 1 borrows through the upper half.
            let same = |row: u64| {
                (((row >> 56) ^ u64::from(*feature & 255)).wrapping_sub(1) >> 32).wrapping_mul(0x1_0000_0001)
            };
            // Each weight is 128 more than it counts; a feature without a row counts 0.
            let (is_first, is_second) = (same(first), same(second));
            let weights = (first & is_first) | (second & is_second) | (UNKNOWN & !(is_first | is_second));
            even += weights & LANES;
            odd += (weights >> 8) & LANES;
        }
        let bias = 128 * i32::from(N as u16);
        let lane = |sums: u64, at: u32| i32::from((sums >> (16 * at)) as u16) - bias;
        [lane(even, 0), lane(odd, 0), lane(even, 1), lane(odd, 1), lane(even, 2), lane(odd, 2), lane(even, 3), 0]
    }

    /// The score, 0 to 1, of a name whose tokens were preferred to none by `margin` on average.
    pub fn score(&self, margin: i32) -> f32 {
        let step = step_of(margin);
        f32::from(self.calibration.get(step).copied().unwrap_or_default()) / 255.0
    }
}

/// The step of the calibration table for a margin.
pub fn step_of(margin: i32) -> usize {
    usize::try_from(margin / 8 + 16).unwrap_or_default().min(STEPS - 1)
}

/// The lists that the model was trained with.
#[derive(Clone, Copy, Debug)]
pub struct Gazetteer<'a> {
    buckets: &'a [[u8; 32]],
    shift: u32,
    phrases: &'a [[u8; 4]],
}

impl Gazetteer<'_> {
    /// What is known of a word, by its hash: bits of [`super::features::flag`].
    #[inline]
    pub fn flags(&self, word: u32) -> u16 {
        let spread = word.wrapping_mul(0x9e37_79b1);
        let Some(bucket) = self.buckets.get((spread >> self.shift) as usize) else { return 0 };
        let check = (word as u16).to_le_bytes();
        let mut found = 0;
        for entry in bucket.as_chunks::<4>().0 {
            let same = u16::from(entry[0] == check[0] && entry[1] == check[1]);
            found |= u16::from_le_bytes([entry[2], entry[3]]) & same.wrapping_neg();
        }
        found
    }

    /// Whether the hash is that of a name of several words.
    pub fn has_phrase(&self, hash: u32) -> bool {
        let mask = self.phrases.len() - 1;
        let mut at = hash.wrapping_mul(0x9e37_79b1) as usize & mask;
        for _ in 0..64 {
            let Some(entry) = self.phrases.get(at) else { return false };
            match u32::from_le_bytes(*entry) {
                0 => return false,
                found if found == hash => return true,
                _ => at = (at + 1) & mask,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_model_are_refused() {
        assert_eq!(Model::parse(b"").unwrap_err(), ModelError::Magic);
        assert_eq!(Model::parse(&[0; 64]).unwrap_err(), ModelError::Magic);
        let mut bytes = MAGIC.to_vec();
        bytes.extend([2, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            Model::parse(&bytes).unwrap_err(),
            ModelError::Length { expected: 16 + 128 + 64 + 32 + 64 + 8, found: 16 }
        );
        bytes.resize(16 + 128 + 64 + 32 + 64 + 8, 0);
        let model = Model::parse(&bytes).unwrap();
        assert_eq!(model.gazetteer.flags(7), 0);
        assert!(!model.gazetteer.has_phrase(7));
    }
}
