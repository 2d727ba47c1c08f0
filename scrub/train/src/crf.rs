//! A linear-chain conditional random field, trained by stochastic gradient with `AdaGrad` steps in `f32`. Only `+ − × ÷ √` and a
//! polynomial for the exponential are used, in a fixed order, so the result is the same bytes on every machine.

use scrub::tagger::features::FEATURES;
use scrub::tagger::model::LABELS;

use crate::rng::Rng;

/// A row number that stands for a feature which the model does not hold.
pub const NONE: u32 = u32::MAX;
/// What it costs in training to leave a token of a name out, and to tag one that is none: recall comes first.
const COSTS: Costs = Costs { miss: 4.2, false_alarm: 0.4 };
/// The same in programs, logs and tables, which hold few names and many words that no list knows.
const MACHINE_COSTS: Costs = Costs { miss: 2.8, false_alarm: 3.0 };
/// What it costs to take one kind for another.
const CONFUSED: f32 = 0.5;

struct Costs {
    miss: f32,
    false_alarm: f32,
}

/// A block of tokens: the rows of their features, and their labels.
#[derive(Debug, Default)]
pub struct Block {
    /// [`FEATURES`] a token.
    pub rows: Vec<u32>,
    /// Right labels.
    pub labels: Vec<u8>,
    /// Whether it is of text by or for machines.
    pub machine: bool,
}

/// Weights and the sums of squared gradients.
#[derive(Debug)]
pub struct Crf {
    /// A row: weights of the labels, then their sums.
    rows: Vec<[f32; 16]>,
    transitions: [[f32; 8]; 8],
    squares: [[f32; 8]; 8],
    rate: f32,
}

/// Whether label `to` may follow label `from` (7: the start).
pub fn allowed(from: usize, to: usize) -> bool {
    to < LABELS && (to == 0 || to % 2 == 1 || from == to || from + 1 == to)
}

/// The exponential for arguments at most 0 or little above: 2^x by a polynomial on the fraction.
fn exp(x: f32) -> f32 {
    let y = (x * std::f32::consts::LOG2_E).clamp(-80.0, 80.0);
    let whole = y.floor();
    let f = y - whole;
    let power = 1.0
        + f * (std::f32::consts::LN_2 + f * (0.240_226_5 + f * (0.055_504_1 + f * (0.009_618_1 + f * 0.001_333_4))));
    power * f32::from_bits(((whole as i32 + 127) as u32) << 23)
}

impl Crf {
    /// All weights 0.
    pub fn new(rows: usize) -> Self {
        Self { rows: vec![[0.0; 16]; rows], transitions: [[0.0; 8]; 8], squares: [[0.0; 8]; 8], rate: 0.12 }
    }

    /// Adds `share` of the weights of another.
    pub fn add(&mut self, other: &Self, share: f32) {
        let add = |to: &mut f32, from: &f32| *to += from * share;
        for (to, from) in self.rows.iter_mut().zip(&other.rows) {
            to[..8].iter_mut().zip(&from[..8]).for_each(|(to, from)| add(to, from));
        }
        let steps = self.transitions.as_flattened_mut().iter_mut().zip(other.transitions.as_flattened());
        steps.for_each(|(to, from)| add(to, from));
    }

    /// One pass over the blocks in a random order.
    pub fn epoch(&mut self, blocks: &[Block], rng: &mut Rng, rate: f32) {
        self.rate = rate;
        let mut order: Vec<u32> = (0..blocks.len() as u32).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i + 1));
        }
        let mut work = Work::default();
        for at in order {
            self.learn(&blocks[at as usize], &mut work);
        }
    }

    fn learn(&mut self, block: &Block, work: &mut Work) {
        let n = block.labels.len();
        if n == 0 {
            return;
        }
        self.marginals(block, work);
        // Gradients: the probability of each label less the right one.
        for (i, rows) in block.rows.chunks_exact(FEATURES).enumerate() {
            let mut gradient = [0.0_f32; 8];
            gradient[..LABELS].copy_from_slice(&work.marginal[i][..LABELS]);
            gradient[usize::from(block.labels[i])] -= 1.0;
            if gradient.iter().all(|g| g.abs() < 1e-3) {
                continue;
            }
            for &row in rows {
                let Some(row) = self.rows.get_mut(row as usize) else { continue };
                let (weights, squares) = row.split_at_mut(8);
                for ((w, s), g) in weights.iter_mut().zip(squares).zip(&gradient) {
                    *s += g * g;
                    *w -= self.rate * g / (0.05 + *s).sqrt();
                }
            }
        }
        for from in 0..8 {
            for to in 0..LABELS {
                let g = work.pairs[from][to];
                if g != 0.0 && allowed(from, to) {
                    self.squares[from][to] += g * g;
                    self.transitions[from][to] -= self.rate * g / (1.0 + self.squares[from][to]).sqrt();
                }
            }
        }
    }

    /// The exponentials of the sums of weights of each token, with the costs of wrong labels in them.
    fn emissions(&self, block: &Block, emissions: &mut Vec<[f32; 8]>) {
        emissions.clear();
        let costs = if block.machine { MACHINE_COSTS } else { COSTS };
        for (rows, &right) in block.rows.chunks_exact(FEATURES).zip(&block.labels) {
            let mut sums = [0.0_f32; 8];
            for &row in rows {
                if let Some(row) = self.rows.get(row as usize) {
                    for (sum, weight) in sums.iter_mut().zip(row) {
                        *sum += weight;
                    }
                }
            }
            for (label, sum) in sums.iter_mut().enumerate().take(LABELS) {
                *sum += match (usize::from(right), label) {
                    (r, l) if r == l => 0.0,
                    (0, _) => costs.false_alarm,
                    (_, 0) => costs.miss,
                    _ => CONFUSED,
                };
            }
            let most = sums[..LABELS].iter().fold(f32::MIN, |a, &b| a.max(b));
            let mut emit = [0.0; 8];
            for (e, s) in emit.iter_mut().zip(&sums).take(LABELS) {
                *e = exp(s - most);
            }
            emissions.push(emit);
        }
    }

    /// Forward and backward, with the costs of wrong labels added: what is costly has to win by a margin.
    fn marginals(&self, block: &Block, work: &mut Work) {
        let gold = &block.labels;
        let n = gold.len();
        work.marginal.clear();
        work.marginal.resize(n, [0.0; 8]);
        work.forward.clear();
        self.emissions(block, &mut work.emit);
        let mut steps = [[0.0_f32; 8]; 8];
        for (from, row) in steps.iter_mut().enumerate() {
            for (to, step) in row.iter_mut().enumerate() {
                *step = if allowed(from, to) { exp(self.transitions[from][to]) } else { 0.0 };
            }
        }
        let mut previous = [0.0_f32; 8];
        for (i, emit) in work.emit.iter().enumerate() {
            let mut here = [0.0_f32; 8];
            if i == 0 {
                here = steps[LABELS];
            } else {
                for (p, row) in previous.iter().zip(&steps).take(LABELS) {
                    for (h, s) in here.iter_mut().zip(row) {
                        *h += p * s;
                    }
                }
            }
            for (h, e) in here.iter_mut().zip(emit) {
                *h *= e;
            }
            let sum: f32 = here.iter().sum();
            let scale = 1.0 / sum.max(1e-30);
            for h in &mut here {
                *h *= scale;
            }
            work.forward.push(here);
            previous = here;
        }
        work.pairs = [[0.0; 8]; 8];
        let mut backward = [1.0_f32; 8];
        for i in (0..n).rev() {
            let forward = &work.forward[i];
            let mut sum = 0.0;
            for ((m, f), b) in work.marginal[i].iter_mut().zip(forward).zip(&backward).take(LABELS) {
                *m = f * b;
                sum += *m;
            }
            let scale = 1.0 / sum.max(1e-30);
            work.marginal[i].iter_mut().for_each(|m| *m *= scale);
            if i == 0 {
                for to in 0..LABELS {
                    work.pairs[LABELS][to] += work.marginal[0][to];
                }
                work.pairs[LABELS][usize::from(gold[0])] -= 1.0;
                break;
            }
            let before = &work.forward[i - 1];
            let emit = &work.emit[i];
            let mut next = [0.0_f32; 8];
            let mut joint = [[0.0_f32; 8]; 8];
            let mut total = 0.0;
            for from in 0..LABELS {
                for to in 0..LABELS {
                    let step = steps[from][to] * emit[to] * backward[to];
                    next[from] += step;
                    joint[from][to] = before[from] * step;
                    total += joint[from][to];
                }
            }
            let scale = 1.0 / total.max(1e-30);
            for (sum, part) in work.pairs.as_flattened_mut().iter_mut().zip(joint.as_flattened()) {
                *sum += part * scale;
            }
            work.pairs[usize::from(gold[i - 1])][usize::from(gold[i])] -= 1.0;
            let sum: f32 = next.iter().sum();
            let scale = 1.0 / sum.max(1e-30);
            for x in &mut next {
                *x *= scale;
            }
            backward = next;
        }
    }

    /// The weights of a row.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.rows[at][..LABELS]
    }

    /// The weights from label to label.
    pub const fn transitions(&self) -> &[[f32; 8]; 8] {
        &self.transitions
    }
}

#[derive(Default)]
struct Work {
    emit: Vec<[f32; 8]>,
    forward: Vec<[f32; 8]>,
    marginal: Vec<[f32; 8]>,
    pairs: [[f32; 8]; 8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_close() {
        for i in -600..20 {
            let x = i as f32 / 20.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-4, "{x}");
        }
    }

    #[test]
    fn a_rule_is_learnt() {
        // Row 1 stands for the first token of a person, row 2 for further ones, row 0 for all others.
        let block = |labels: &[u8]| Block {
            rows: labels
                .iter()
                .flat_map(|&label| {
                    let mut rows = [NONE; FEATURES];
                    rows[..3].fill(u32::from(label));
                    rows
                })
                .collect(),
            labels: labels.to_vec(),
            machine: false,
        };
        let blocks: Vec<_> =
            [&[0, 1, 2, 0][..], &[1, 0, 0], &[0, 0, 1, 2, 2]].iter().map(|labels| block(labels)).collect();
        let mut crf = Crf::new(4);
        let mut rng = Rng::new(1);
        for _ in 0..50 {
            crf.epoch(&blocks, &mut rng, 0.1);
        }
        assert!(
            crf.row(1)[1] > crf.row(1)[0] + 1.0 && crf.row(0)[0] > crf.row(0)[1] + 1.0 && crf.row(2)[2] > crf.row(2)[0]
        );
    }
}
