//! The walk over the objects of a bucket: page by page, the keys of a page several at a time, the versions of a key one after the other, the newest first.
//!
//! A page is done with before the next is asked for. So what must be kept of it, here and in the state of the job, is bounded.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;

use super::state::{Begun, Line, Name, PageDone, Resumed, State, StateError};
use super::tally::{Seen, Tally};
use super::{JobError, Place};
use crate::backend::Signer;
use crate::ops::pages::{self, Entry, Page};
use crate::s3::Error;
use crate::vault::Vault;

/// Most objects that a sample may be asked for by their number, each of which is a number in memory.
pub const LARGEST_SAMPLE: usize = 1_000_000;

/// What is walked over.
pub struct Walk {
    /// The gateway.
    pub vault: Arc<Vault>,
    /// The bucket, by its identity.
    pub place: Place,
    /// As whom.
    pub signer: Signer,
    /// Every version, not the newest alone.
    pub versions: bool,
    /// Keys at a time.
    pub jobs: usize,
    /// Keys whose hash is above it are left out.
    pub below: u64,
}

/// Where what was done is noted.
pub struct Log {
    state: Mutex<State>,
    tally: Mutex<Tally>,
    /// Shows how far the job is.
    pub bar: ProgressBar,
}

impl Log {
    /// Of a job that begins or goes on.
    pub fn new(state: State, tally: Tally, bar: ProgressBar) -> Self {
        Self { state: Mutex::new(state), tally: Mutex::new(tally), bar }
    }

    /// Notes what is about to be done.
    pub fn begin(&self, begun: &Begun) -> Result<(), StateError> {
        self.state().add(&Line::Begun(begun.clone()))
    }

    /// Notes what became of an object.
    pub fn done(&self, seen: Seen) -> Result<(), StateError> {
        let mut tally = self.tally();
        tally.add(&seen);
        let (objects, findings) = (tally.all.objects, tally.all.findings);
        drop(tally);
        self.bar.set_message(format!("{objects} objects, {findings} findings"));
        self.state().add(&Line::Object(seen))
    }

    fn page(&self, page: PageDone) -> Result<(), StateError> {
        self.tally().listed = page.listed;
        let mut state = self.state();
        state.add(&Line::Page(page))?;
        state.sync()
    }

    /// What was found in the end.
    pub fn into_tally(self) -> Tally {
        self.tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error that ends the job, with what to do.
    pub fn cut_off(&self, error: Error) -> JobError {
        JobError::cut_off(error, self.state().path())
    }

    // Lines are short and waits for the disk rare: nobody else is served by this process.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The versions of a key while they are treated.
pub struct Group {
    /// What an earlier run, or an earlier try, was about to do.
    pub begun: HashMap<Name, Begun>,
    /// The newest version was not treated as it should be.
    pub spared: bool,
}

/// What is done with each object.
#[async_trait::async_trait(?Send)]
pub trait Treat {
    /// Treats an object.
    async fn treat(&self, entry: &Entry, group: &mut Group, log: &Log) -> Result<Seen, JobError>;

    /// Whether a version is gone that an earlier run was about to delete.
    async fn is_deleted(&self, _begun: &Seen, _bucket: &str) -> Result<bool, Error> {
        Ok(false)
    }
}

impl Walk {
    /// Treats every object from where an earlier run was.
    pub async fn run(&self, treat: &dyn Treat, mut resumed: Resumed, log: &Log) -> Result<(), JobError> {
        let (mut markers, mut listed, mut spared) = match resumed.page.take() {
            None => (Some(String::new()), 0, None),
            Some(page) => (page.next, page.listed, page.spared),
        };
        // Those that are still there are listed, and treated again.
        for (_, Begun { seen, .. }) in resumed.begun.extract_if(|_, begun| begun.oid.is_none()) {
            if treat.is_deleted(&seen, &self.place.bucket).await.map_err(|e| log.cut_off(e))? {
                listed += 1;
                log.done(seen)?;
            }
        }
        while let Some(at) = markers {
            let Page { entries, next } = self.page(&at).await.map_err(|e| self.no_page(e, Some(log)))?;
            let last = entries.last().map(|entry| entry.at.key.clone());
            resumed.spared.extend(spared.take());
            let (groups, on_page) = self.groups(entries, &mut resumed);
            listed += on_page;
            let mut done = stream::iter(groups.into_iter().map(|(entries, group)| all_of(treat, entries, group, log)))
                .buffer_unordered(self.jobs);
            while let Some(outcome) = done.next().await {
                let (key, is_spared, twice) = outcome?;
                listed -= twice;
                if is_spared {
                    resumed.spared.insert(key);
                }
            }
            drop(done);
            // Its versions may go on, on the next page.
            spared = last.filter(|key| resumed.spared.contains(key));
            log.page(PageDone { next: next.clone(), listed, spared: spared.clone() })?;
            resumed.begun.clear();
            resumed.done.clear();
            resumed.spared.clear();
            resumed.made.clear();
            markers = next;
        }
        Ok(())
    }

    /// The versions of each key that are to be treated, and how many objects the page lists that the job has not made itself.
    fn groups(&self, entries: Vec<Entry>, resumed: &mut Resumed) -> (Vec<(Vec<Entry>, Group)>, u64) {
        // Those that are done may be gone by now.
        let mut listed = resumed.done.len() as u64;
        let mut groups: Vec<(Vec<Entry>, Group)> = Vec::new();
        for entry in entries {
            let name = (entry.at.key.clone(), entry.at.version_id.clone());
            if resumed.made.contains(&name) || resumed.done.contains(&name) {
                continue;
            }
            listed += 1;
            if hash(&entry.at.key) > self.below {
                continue;
            }
            match groups.last_mut() {
                Some((group, _)) if group[0].at.key == entry.at.key => group.push(entry),
                _ => {
                    let key = &entry.at.key;
                    let begun = resumed.begun.extract_if(|name, _| name.0 == *key).collect();
                    let spared = resumed.spared.contains(key);
                    groups.push((vec![entry], Group { begun, spared }));
                }
            }
        }
        (groups, listed)
    }

    /// Adds to the bar what is to be treated from where an earlier run was, as long as nobody stops it: how much that is, is not known before.
    pub async fn measure(&self, from: Option<&PageDone>, bar: &ProgressBar) {
        let mut markers = from.map_or(Some(String::new()), |page| page.next.clone());
        while let Some(at) = markers {
            // The walk meets the same error, and tells it.
            let Ok(Page { entries, next }) = self.page(&at).await else { return };
            let sampled = entries.iter().filter(|entry| hash(&entry.at.key) <= self.below);
            bar.inc_length(sampled.map(|entry| entry.size).sum());
            markers = next;
        }
    }

    /// The hash below and at which there are so many keys.
    pub async fn sample(&self, keys: usize) -> Result<u64, JobError> {
        let mut smallest = BinaryHeap::with_capacity(keys + 1);
        let (mut markers, mut last) = (Some(String::new()), None);
        while let Some(at) = markers {
            let Page { entries, next } = self.page(&at).await.map_err(|e| self.no_page(e, None))?;
            for entry in entries {
                if last.as_ref() != Some(&entry.at.key) {
                    smallest.push(hash(&entry.at.key));
                    if smallest.len() > keys {
                        smallest.pop();
                    }
                    last = Some(entry.at.key);
                }
            }
            markers = next;
        }
        Ok(if smallest.len() < keys { u64::MAX } else { smallest.peek().copied().unwrap_or(u64::MAX) })
    }

    async fn page(&self, markers: &str) -> Result<Page, Error> {
        pages::page(&self.vault, &self.place.bucket, &self.place.prefix, markers, &self.signer, self.versions).await
    }

    /// A listing that fails ends the job: what is wrong with the bucket is for the operator, what is wrong with the storage for later.
    fn no_page(&self, error: Error, log: Option<&Log>) -> JobError {
        match error {
            Error::Answered { status, ref code, .. } if status.is_client_error() => {
                JobError::Usage(format!("{} cannot be listed: the backend answered {status} {code}", self.place))
            }
            error => JobError::cut_off(error, log.and_then(|log| log.state().path().cloned()).as_ref()),
        }
    }
}

/// Treats the versions of a key. Gives the key, whether its newest version was not treated as it should be, and how many of its versions were listed
/// though the job had made them.
async fn all_of(
    treat: &dyn Treat,
    entries: Vec<Entry>,
    mut group: Group,
    log: &Log,
) -> Result<(String, bool, u64), JobError> {
    let (key, mut twice) = (entries[0].at.key.clone(), 0);
    let mut done = HashSet::new();
    for entry in &entries {
        if done.contains(&entry.at.version_id) {
            continue;
        }
        let seen = treat.treat(entry, &mut group, log).await?;
        let is_of_another = seen.version != entry.at.version_id;
        twice += u64::from(is_of_another && entries.iter().any(|entry| entry.at.version_id == seen.version));
        done.insert(seen.version.clone());
        log.bar.inc(entry.size);
        log.done(seen)?;
    }
    Ok((key, group.spared, twice))
}

/// The place of a key among all keys of which a sample takes the first: the same on every run.
pub fn hash(key: &str) -> u64 {
    let hash = digest(&SHA256, key.as_bytes());
    hash.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// What is at or below it is that share of all keys. `percent`: above 0, at most 100.
pub fn share(percent: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, as it should")]
    #[expect(clippy::cast_precision_loss, reason = "a share of hashes")]
    let share = (u64::MAX as f64 * (percent / 100.0)) as u64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_share_and_the_same_on_every_run() {
        assert_eq!(hash("corpus/000001.jsonl"), hash("corpus/000001.jsonl"));
        assert_eq!(format!("{:016x}", hash("")), "e3b0c44298fc1c14", "as sha256sum says");
        let keys: Vec<u64> = (0..10_000).map(|n| hash(&format!("corpus/{n:06}.jsonl"))).collect();
        for (percent, low, high) in [(100.0, 10_000, 10_000), (10.0, 900, 1100), (1.0, 70, 130), (0.000_001, 0, 1)] {
            let taken = keys.iter().filter(|hash| **hash <= share(percent)).count();
            assert!((low..=high).contains(&taken), "{percent}: {taken}");
        }
        // A larger sample holds the smaller.
        assert!(share(1.0) < share(10.0) && share(100.0) == u64::MAX);
    }
}
