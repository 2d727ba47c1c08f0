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
use wide::i16x8;

/// Labels of a token: outside, and the first and a further token of a person, a place, an organisation.
pub const LABELS: usize = 7;
/// The first bytes of a model.
pub const MAGIC: [u8; 6] = *b"DVTAG\x01";
/// Steps of the calibration table.
pub const STEPS: usize = 64;
const HEADER: usize = 16;

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

/// Both rows of a pair at once: the vector instructions that every processor of this architecture has.
#[cfg(target_arch = "x86_64")]
mod in_one {
    use safe_arch::{
        add_i16_m128i, bitand_m128i, cmp_eq_mask_i32_m128i, m128i, set_splat_i16_m128i, set_splat_i32_m128i,
        shl_imm_u16_m128i, shr_imm_u16_m128i, shr_imm_u32_m128i, shuffle_ai_f32_all_m128i, sub_i16_m128i,
        unpack_high_i16_m128i, unpack_low_i16_m128i,
    };
    use wide::i16x8;

    /// As [`super::Model::lanes`].
    pub(super) fn lanes<const N: usize>(pairs: &[[u8; 16]], shift: u32, features: &[u32; N]) -> i16x8 {
        // Of the size of the shipped model no place is out of bounds.
        match <&[_; SHIPPED]>::try_from(pairs) {
            Ok(pairs) => sums_of(features, |feature| &pairs[(feature >> (32 - SHIPPED.trailing_zeros())) as usize]),
            Err(_) => sums_of(features, |feature| pairs.get((feature >> shift) as usize).unwrap_or(&[0; 16])),
        }
    }

    /// Pairs of rows of the shipped model.
    const SHIPPED: usize = 1 << 17;

    // In a function of its own the sums stay in registers.
    #[inline(never)]
    fn sums_of<'a, const N: usize>(features: &[u32; N], pair: impl Fn(u32) -> &'a [u8; 16]) -> i16x8 {
        let (mut even, mut odd, mut rows) = (m128i::default(), m128i::default(), m128i::default());
        for feature in features {
            let pair = m128i::from(*pair(*feature));
            // All ones where the check byte, the last of a row, is that of the feature.
            let checks = shr_imm_u32_m128i::<24>(shuffle_ai_f32_all_m128i::<0b11_11_01_01>(pair));
            let same = cmp_eq_mask_i32_m128i(checks, set_splat_i32_m128i((feature & 255).cast_signed()));
            let weights = bitand_m128i(pair, same);
            even = add_i16_m128i(even, bitand_m128i(weights, set_splat_i16_m128i(0xff)));
            odd = add_i16_m128i(odd, shr_imm_u16_m128i::<8>(weights));
            rows = sub_i16_m128i(rows, same);
        }
        // By label, of both rows; in the last lane is what the check bytes make.
        let sums = add_i16_m128i(unpack_low_i16_m128i(even, odd), unpack_high_i16_m128i(even, odd));
        let rows = add_i16_m128i(rows, shuffle_ai_f32_all_m128i::<0b01_00_11_10>(rows));
        let sums = sub_i16_m128i(sums, shl_imm_u16_m128i::<7>(rows));
        i16x8::new(bitand_m128i(sums, m128i::from([-1_i16, -1, -1, -1, -1, -1, -1, 0])).into())
    }
}

/// One row of a pair after the other.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod in_two {
    /// As [`super::Model::lanes`].
    pub(super) fn lanes<const N: usize>(pairs: &[[u8; 16]], shift: u32, features: &[u32; N]) -> super::i16x8 {
        const LANES: u64 = 0x00ff_00ff_00ff_00ff;
        let (mut even, mut odd, mut rows) = (0, 0, 0);
        for feature in features {
            let pair = u128::from_le_bytes(*pairs.get((feature >> shift) as usize).unwrap_or(&[0; 16]));
            for row in [pair as u64, (pair >> 64) as u64] {
                // The check byte is the last of a row.
                let same = u64::from(row >> 56 == u64::from(feature & 255)).wrapping_neg();
                even += row & same & LANES;
                odd += (row & same) >> 8 & LANES;
                rows += same & 1;
            }
        }
        by_label(even, odd, rows)
    }

    /// Sums by label of those of even and of odd labels in lanes of 16 bits, of so many rows.
    fn by_label(even: u64, odd: u64, rows: u64) -> super::i16x8 {
        let bias = 128 * rows as i16;
        let lane = |sums: u64, at: u32| (sums >> (16 * at)) as i16 - bias;
        super::i16x8::new([
            lane(even, 0),
            lane(odd, 0),
            lane(even, 1),
            lane(odd, 1),
            lane(even, 2),
            lane(odd, 2),
            lane(even, 3),
            0,
        ])
    }
}

/// The sums of weights, a label each; the last is 0.
pub type Sums = [i16; 8];

/// A model over its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Two rows each.
    pairs: &'a [[u8; 16]],
    /// `33 − log₂ rows`.
    shift: u32,
    /// Weight of going from a label (7: from the start) to another.
    pub transitions: [[i16; 8]; 8],
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
            *to = i16::from_le_bytes(*from);
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

    /// The sums of the weights of all features. A feature is in one of two neighbouring rows or not known. There are no branches, since which
    /// row it is cannot be foretold.
    #[inline]
    pub fn sums<const N: usize>(&self, features: &[u32; N]) -> Sums {
        self.lanes(features).to_array()
    }

    /// As [`Self::sums`], side by side.
    #[inline]
    pub(super) fn lanes<const N: usize>(&self, features: &[u32; N]) -> i16x8 {
        #[cfg(target_arch = "x86_64")]
        return in_one::lanes(self.pairs, self.shift, features);
        #[cfg(not(target_arch = "x86_64"))]
        in_two::lanes(self.pairs, self.shift, features)
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
        // Without a branch: where in the bucket a word is cannot be foretold.
        let mut found = 0;
        for entry in bucket.as_chunks().0 {
            let entry = u32::from_le_bytes(*entry);
            // The lower half differs from that of the word by nothing: 0 − 1 borrows through the upper half.
            let same = (u64::from((entry ^ word) & 0xffff).wrapping_sub(1) >> 32) as u32;
            found |= entry & same;
        }
        (found >> 16) as u16
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
    use proptest::prelude::{prop_assert_eq, proptest};

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

    proptest! {
        #[test]
        #[cfg(target_arch = "x86_64")]
        fn both_ways_sum_up_alike(
            pairs in proptest::collection::vec(proptest::array::uniform16(0_u8..), 8),
            features in proptest::array::uniform8(0_u32..),
            known in 0_usize..8,
        ) {
            let mut pairs = pairs;
            let shift = 29;
            // Some are in the table: by the check byte of the first or of the second row.
            for (index, feature) in features[..known].iter().enumerate() {
                pairs[(feature >> shift) as usize][7 + 8 * (index % 2)] = *feature as u8;
            }
            prop_assert_eq!(in_one::lanes(&pairs, shift, &features), in_two::lanes(&pairs, shift, &features));
        }
    }
}
