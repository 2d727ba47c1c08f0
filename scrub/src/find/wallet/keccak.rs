//! Keccak-256 as Ethereum and Monero have it: the permutation of FIPS 202 with the padding of the first submission.

/// Lanes absorbed at a time: 1088 bits.
const RATE: usize = 136;

const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808A,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808B,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008A,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000A,
    0x0000_0000_8000_808B,
    0x8000_0000_0000_008B,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800A,
    0x8000_0000_8000_000A,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Of a short message.
pub(super) fn keccak256(message: &[u8]) -> [u8; 32] {
    let mut state = [0_u64; 25];
    let mut padded = message.to_vec();
    padded.push(1);
    padded.resize(padded.len().next_multiple_of(RATE), 0);
    if let Some(last) = padded.last_mut() {
        *last |= 0x80;
    }
    for block in padded.chunks_exact(RATE) {
        for (lane, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane ^= u64::from_le_bytes(*bytes);
        }
        permute(&mut state);
    }
    let mut hash = [0; 32];
    for (bytes, lane) in hash.as_chunks_mut::<8>().0.iter_mut().zip(state) {
        *bytes = lane.to_le_bytes();
    }
    hash
}

/// FIPS 202, section 3.3: the lane (x, y) is at x + 5y.
fn permute(state: &mut [u64; 25]) {
    for constant in ROUNDS {
        let columns: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]));
        for (index, lane) in state.iter_mut().enumerate() {
            let x = index % 5;
            *lane ^= columns[(x + 4) % 5] ^ columns[(x + 1) % 5].rotate_left(1);
        }
        // ρ and π together, along the walk (x, y) → (y, 2x + 3y).
        let (mut x, mut y) = (1, 0);
        let mut carried = state[1];
        for t in 0..24_u32 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            carried = std::mem::replace(&mut state[x + 5 * y], carried.rotate_left((t + 1) * (t + 2) / 2 % 64));
        }
        for row in state.as_chunks_mut::<5>().0 {
            let old = *row;
            for (x, lane) in row.iter_mut().enumerate() {
                *lane = old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]);
            }
        }
        state[0] ^= constant;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of nothing, as the Ethereum Yellow Paper uses it for empty code.
    #[test]
    fn known_answer() {
        let hex = |hash: [u8; 32]| {
            let (high, low) = hash.split_at(16);
            let half = |bytes: &[u8]| u128::from_be_bytes(bytes.try_into().unwrap());
            format!("{:032x}{:032x}", half(high), half(low))
        };
        assert_eq!(hex(keccak256(b"")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(hex(keccak256(b"abc")), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    }
}
