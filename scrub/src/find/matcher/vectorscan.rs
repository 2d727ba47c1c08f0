//! Literals by vectorscan in block mode. Matches are reported by their ends; a literal has one length, so that says where it starts.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vectorscan_rs::{BlockDatabase, BlockScanner, Flag, Pattern, Scan};

use super::{Hit, Literal, Literals};

/// Scanners that are kept for reuse: as many as threads that search at one time.
const KEPT: usize = 64;

/// The databases of this process by their literals. A scanner borrows its database, so they live as long as the process; engines over the same
/// literals share one, so their number is that of different lists.
static DATABASES: Mutex<Vec<(Vec<Literal>, &'static BlockDatabase)>> = Mutex::new(Vec::new());

/// The matcher by vectorscan.
pub(super) struct Database {
    /// The length of every literal.
    lengths: Vec<usize>,
    longest: usize,
    /// None without literals, which vectorscan refuses.
    patterns: Option<&'static BlockDatabase>,
    /// A scanner has scratch space for one search.
    scanners: Mutex<Vec<BlockScanner<'static>>>,
}

impl Database {
    pub(super) fn new(literals: &[Literal]) -> Result<Self, String> {
        let lengths: Vec<_> = literals.iter().map(|literal| literal.text.len()).collect();
        Ok(Self {
            longest: lengths.iter().copied().max().unwrap_or(0),
            lengths,
            patterns: if literals.is_empty() { None } else { Some(database(literals)?) },
            scanners: Mutex::new(Vec::new()),
        })
    }
}

/// The database of these literals.
fn database(literals: &[Literal]) -> Result<&'static BlockDatabase, String> {
    let mut databases = lock(&DATABASES);
    if let Some((_, database)) = databases.iter().find(|(known, _)| known == literals) {
        return Ok(database);
    }
    let patterns = literals
        .iter()
        .zip(0..)
        .map(|(literal, id)| {
            let expression =
                literal.text.bytes().fold(String::new(), |expression, byte| expression + &format!("\\x{byte:02x}"));
            let flags = if literal.fold { Flag::CASELESS } else { Flag::default() };
            Pattern::new(expression.into_bytes(), flags, Some(id))
        })
        .collect();
    let database = BlockDatabase::new(patterns).map_err(|error| format!("vectorscan: {error}"))?;
    let database: &'static _ = Box::leak(Box::new(database));
    databases.push((literals.to_vec(), database));
    Ok(database)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done in what these guard.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Literals for Database {
    fn hits(&self, text: &[u8], starts: Range<usize>, hits: &mut Vec<Hit>) {
        let Some(database) = self.patterns else { return };
        let starts = starts.start.min(text.len())..starts.end.min(text.len());
        if starts.is_empty() {
            return;
        }
        let kept = lock(&self.scanners).pop();
        let mut scanner =
            kept.unwrap_or_else(|| BlockScanner::new(database).expect("scratch space of vectorscan is allocated"));
        let reach = &text[starts.start..(starts.end + self.longest - 1).min(text.len())];
        let report = |id: u32, _: u64, end: u64, _: u32| {
            let start = starts.start + end as usize - self.lengths[id as usize];
            if start < starts.end {
                hits.push(Hit { literal: id, start: start as u32 });
            }
            Scan::Continue
        };
        scanner.scan(reach, report).expect("a scanner of its own database scans");
        let mut scanners = lock(&self.scanners);
        if scanners.len() < KEPT {
            scanners.push(scanner);
        }
    }
}
