//! Stored length as a function of plaintext length alone:
//! `g(P) = P + 16 ⌊P / 16384⌋ + 288 + 400 · min(⌊P / 5 MiB⌋, 9998)`.
//!
//! `g` is strictly increasing, so a listing gives plaintext lengths by inverting it. The last term leaves room for the rows of
//! the TABLE and the prefixes of the parts, whatever the number of parts: every part but the last has at least 5 MiB, and a
//! part costs at most 200⅛ bytes.

use crate::cobblestone::{CHUNK, MAX_LENGTH};

const PART: u64 = 5 << 20;

/// `g`. Saturates.
pub const fn sealed_object_len(plaintext: u64) -> u64 {
    let parts = plaintext / PART;
    let parts = if parts < 9998 { parts } else { 9998 };
    plaintext.saturating_add(16 * (plaintext / CHUNK) + 288 + 400 * parts)
}

/// `g⁻¹`; none where no plaintext that the format allows has that stored length.
pub fn plaintext_object_len(sealed: u64) -> Option<u64> {
    let most = sealed.checked_sub(288)?;
    // 16 ⌊P/16384⌋ ≤ most/1024 and ⌊P/5 MiB⌋ ≤ ⌊most/5 MiB⌋ bound P from below; the rest is a binary search for the least P
    // with g(P) ≥ sealed.
    let mut low = most.saturating_sub(most / 1024 + 400 * (most / PART).min(9998));
    let mut high = most;
    while low < high {
        let middle = low + (high - low) / 2;
        if sealed_object_len(middle) < sealed {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (low <= MAX_LENGTH && sealed_object_len(low) == sealed).then_some(low)
}

/// The longest plaintext whose stored length is at most `sealed`; 0 below 288, which none has.
pub fn longest_plaintext_within(sealed: u64) -> u64 {
    // At most 16 lengths and 400 more lie between two that plaintexts have.
    (0..=416).find_map(|less| plaintext_object_len(sealed.checked_sub(less)?)).unwrap_or_default().min(MAX_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert_eq!(sealed_object_len(0), 288);
        assert_eq!(sealed_object_len(1), 289);
        assert_eq!(sealed_object_len(16383), 16671);
        assert_eq!(sealed_object_len(16384), 16384 + 16 + 288);
        assert_eq!(sealed_object_len(PART), PART + 5120 + 288 + 400);
        assert_eq!(plaintext_object_len(287), None);
        // Between g(16383) and g(16384) lie 16 lengths that no plaintext has.
        for hole in 16672..16688 {
            assert_eq!(plaintext_object_len(hole), None);
        }
        for too_long in [sealed_object_len(MAX_LENGTH + 1), u64::MAX - 1, u64::MAX] {
            assert_eq!(plaintext_object_len(too_long), None);
        }
    }

    #[test]
    fn the_longest_within_boundaries() {
        for (sealed, longest) in [(0, 0), (287, 0), (288, 0), (289, 1), (16671, 16383), (16687, 16383), (16688, 16384)]
        {
            assert_eq!(longest_plaintext_within(sealed), longest, "{sealed}");
        }
        let part = sealed_object_len(PART);
        assert_eq!(longest_plaintext_within(part - 1), PART - 1);
        assert_eq!(longest_plaintext_within(part), PART);
        assert_eq!(longest_plaintext_within(u64::MAX), 0, "no object is as long");
    }

    #[test]
    fn strictly_increasing_and_inverted_around_every_kind_of_boundary() {
        let boundaries =
            [0, CHUNK, 2 * CHUNK, PART, 2 * PART, 9997 * PART, 9998 * PART, 9999 * PART, 10_000 * PART, 48 << 40];
        for boundary in boundaries {
            for plaintext in boundary.max(40) - 40..boundary + 40 {
                let sealed = sealed_object_len(plaintext);
                assert!(sealed < sealed_object_len(plaintext + 1));
                assert_eq!(plaintext_object_len(sealed), Some(plaintext));
                for hole in sealed + 1..sealed_object_len(plaintext + 1) {
                    assert_eq!(plaintext_object_len(hole), None);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_longest_within(plaintext in 0u64..1 << 45, more in 0u64..500) {
            let sealed = sealed_object_len(plaintext) + more;
            let longest = longest_plaintext_within(sealed);
            prop_assert!(longest >= plaintext && sealed_object_len(longest) <= sealed);
            prop_assert!(sealed_object_len(longest + 1) > sealed);
        }

        #[test]
        fn inverse(plaintext in 0u64..1 << 52) {
            prop_assert_eq!(plaintext_object_len(sealed_object_len(plaintext)), Some(plaintext));
        }

        #[test]
        fn whatever_is_inverted_maps_back(sealed in any::<u64>()) {
            if let Some(plaintext) = plaintext_object_len(sealed) {
                prop_assert_eq!(sealed_object_len(plaintext), sealed);
            }
        }
    }
}
