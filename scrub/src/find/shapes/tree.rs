//! All shapes as one tree, by the lengths of their groups and what separates them; at each shape the detectors that have it, as sets.

use super::shape::{LONGEST, SEPARATORS, Shape, Test};

/// How many detectors fit: the bits of a [`Set`].
pub(super) const MOST: usize = 256;

/// A set of detectors by their index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set([u64; MOST / 64]);

impl Set {
    pub(super) fn insert(&mut self, index: u16) {
        self.0[usize::from(index / 64)] |= 1 << (index % 64);
    }

    pub(super) fn contains(&self, index: u16) -> bool {
        self.0[usize::from(index / 64)] >> (index % 64) & 1 == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    pub(super) fn with(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits |= others);
        self
    }

    pub(super) fn within(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits &= others);
        self
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().zip(0..).flat_map(|(bits, word)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < 64).then(|| word * 64 + bit as u16)
            })
        })
    }

    pub(super) fn contains_all(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(bits, others)| others & !bits == 0)
    }
}

/// Shapes by the lengths of their groups and what separates them.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
}

#[derive(Default)]
pub(super) struct Node {
    /// By separator, the lengths of the groups that follow behind it, as bits: most text ends here.
    lengths: [u64; SEPARATORS.len() + 1],
    /// By separator, how many children those before it have.
    before: [u16; SEPARATORS.len() + 1],
    /// Separator, length of the next group, and the node there; in order.
    children: Vec<(usize, u8, u32)>,
    /// In order of their detectors, those that carry their evidence first.
    pub(super) entries: Vec<Entry>,
    /// Of the entries that take a text without letters, and with some.
    pub(super) numeric: Set,
    pub(super) mixed: Set,
    /// Of the entries that carry their evidence in their separators.
    pub(super) evident: Set,
}

/// The place of a separator in [`Node::lengths`]; none is 0, before the first group.
const fn place(separator: u8) -> usize {
    match separator {
        b' ' => 1,
        b'-' => 2,
        b'.' => 3,
        b'/' => 4,
        b'(' => 5,
        b'+' => 6,
        _ => 0,
    }
}

pub(super) struct Entry {
    pub(super) detector: u16,
    pub(super) test: Test,
    /// A `)` must follow.
    pub(super) closed: bool,
    pub(super) evident: bool,
    /// Its separators are spaces between digits, which stand between numbers too.
    pub(super) spaced: bool,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    pub(super) fn add(&mut self, shape: &Shape, detector: u16, evident: bool) {
        let mut at = 0;
        for (index, group) in shape.groups.iter().enumerate() {
            let place = if index == 0 { 0 } else { place(shape.separators[index - 1]) };
            at = match self.nodes[at].children.binary_search_by_key(&(place, *group), |child| (child.0, child.1)) {
                Ok(found) => self.nodes[at].children[found].2 as usize,
                Err(gap) => {
                    let child = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes[at].children.insert(gap, (place, *group, child as u32));
                    self.nodes[at].lengths[place] |= 1 << group;
                    self.nodes[at].before[place + 1..].iter_mut().for_each(|before| *before += 1);
                    child
                }
            };
        }
        let node = &mut self.nodes[at];
        let entry = Entry {
            detector,
            test: shape.test(),
            closed: shape.closed,
            evident,
            spaced: shape.numeric() && shape.separators.contains(&b' '),
        };
        if evident {
            node.evident.insert(detector);
        }
        if shape.numeric() {
            node.numeric.insert(detector);
        }
        if !shape.only_digits() {
            node.mixed.insert(detector);
        }
        let gap = node.entries.partition_point(|other| (other.detector, !other.evident) <= (detector, !evident));
        node.entries.insert(gap, entry);
    }

    pub(super) fn child(&self, node: usize, separator: u8, group: usize) -> Option<usize> {
        let node = &self.nodes[node];
        let place = place(separator);
        if group > LONGEST || node.lengths[place] >> group & 1 == 0 {
            return None;
        }
        // Its place in the order: behind those of lesser separators, and of lesser lengths.
        let lesser = (node.lengths[place] & ((1 << group) - 1)).count_ones();
        Some(node.children[usize::from(node.before[place]) + lesser as usize].2 as usize)
    }
}
