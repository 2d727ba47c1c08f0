//! What nobody needs any more of what is kept beside objects, in the system bucket: scrub records and originals whose objects are gone, what a write that
//! was cut off left, and what has been in quarantine for too long.
//!
//! An object that lost its record would be refused to its readers, and an original that is destroyed does not come back. So whatever cannot be decided now,
//! since the backend is away, a key is missing or an object cannot be opened, is left for a later time.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use keys::Oid;
use keys::hierarchy::Note as Kind;

use super::source::Source;
use super::stored::Look;
use super::{aside, pages, rebuild, scrubbed};
use crate::backend::Signer;
use crate::s3::Error;
use crate::sidecar::ObjectAt;
use crate::vault::{Vault, now_ms};

/// When a process looks for the first time, where it is to look more rarely.
const FIRST: Duration = Duration::from_mins(5);
/// Calls to the backend of one run; the next one goes on where it ends.
const CALLS: u32 = 20_000;
/// Records of one object id that are tried: an object and its copies.
const NAMESAKES: u32 = 100;
/// So many times longer than anything else content without its note is left alone.
const WITHOUT_NOTE: i64 = 24;
/// In the order in which they are looked through.
const KINDS: [Kind; 3] = [Kind::Scrub, Kind::Original, Kind::Quarantine];

/// Looks again and again. Ends when the task is aborted.
pub async fn run(vault: Arc<Vault>) {
    let every = vault.config.limits.sweep_every;
    let mut sweeper = Sweeper::new(vault);
    tokio::time::sleep(every.min(FIRST)).await;
    loop {
        if let Err(e) = sweeper.run(CALLS).await {
            tracing::warn!(error = %e, "the sweep was cut short; it goes on later");
        }
        tokio::time::sleep(every).await;
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Removed or expired.
    pub gone: u64,
    /// What could not be decided, and was left.
    pub undecided: u64,
    /// It came to the end, and the next one begins anew.
    pub finished: bool,
}

/// Goes through the system bucket, as far as it may at a time.
pub struct Sweeper {
    vault: Arc<Vault>,
    /// Which of [`KINDS`].
    kind: usize,
    /// Behind which key.
    after: String,
    calls: u32,
    swept: Swept,
}

/// One thing that is kept: an object of the system bucket, or the two of a plaintext.
struct Item {
    kind: Kind,
    bucket: String,
    id: Oid,
    /// When its content was written, or the record; none: there is none on this page.
    content_ms: Option<i64>,
    /// When its note was.
    note_ms: Option<i64>,
    /// Its last key.
    last: String,
}

impl Sweeper {
    /// One that begins at the beginning.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault, kind: 0, after: String::new(), calls: 0, swept: Swept::default() }
    }

    /// Goes on, with about so many calls to the backend. Error: nothing more can be decided now.
    pub async fn run(&mut self, calls: u32) -> Result<Swept, Error> {
        (self.calls, self.swept) = (calls, Swept::default());
        while let Some(kind) = KINDS.get(self.kind).copied() {
            if self.calls == 0 || !self.pages(kind).await? {
                return Ok(self.told());
            }
            (self.kind, self.after) = (self.kind + 1, String::new());
        }
        (self.kind, self.swept.finished) = (0, true);
        Ok(self.told())
    }

    fn told(&self) -> Swept {
        let Swept { gone, undecided, finished } = self.swept;
        tracing::info!(gone, undecided, finished, "what is kept beside objects was swept");
        self.swept
    }

    /// All of a kind; false: the calls were used up before.
    async fn pages(&mut self, kind: Kind) -> Result<bool, Error> {
        loop {
            self.spend();
            let page = pages::kept(&self.vault, &format!("{}/", aside::name(kind)), &self.after).await?;
            let Some((last, _)) = page.last() else { return Ok(true) };
            let last = last.clone();
            for item in items(kind, page) {
                if self.calls == 0 {
                    return Ok(false);
                }
                match self.look_at(&item).await {
                    Ok(()) => {}
                    Err(e) if rebuild::of_the_object(&e) => {
                        self.swept.undecided += 1;
                        let (kind, bucket, id) = (aside::name(kind), &item.bucket, item.id);
                        tracing::info!(kind, bucket, %id, error = %e, "whether this is still needed cannot be decided; it is left");
                    }
                    Err(e) => return Err(e),
                }
                self.after = item.last;
            }
            self.after = last;
        }
    }

    async fn look_at(&mut self, item: &Item) -> Result<(), Error> {
        let youngest = item.content_ms.max(item.note_ms).unwrap_or(i64::MAX);
        if !is_past(youngest, self.vault.config.limits.sweep_grace) {
            return Ok(());
        }
        match item.kind {
            Kind::Quarantine => self.quarantined(item).await,
            _ if self.vault.sidecar.is_under_way(item.id).await? => Ok(()),
            Kind::Scrub => self.record(item).await,
            Kind::Original => self.original(item).await,
            // Those of an object may be those of others.
            Kind::Tokens => Ok(()),
        }
    }

    /// One without a key is of before keys were in records: whether its object is there is not known then, and it stays.
    async fn record(&mut self, item: &Item) -> Result<(), Error> {
        if self.is_recorded(item).await? {
            return Ok(());
        }
        self.spend();
        let Some(record) = scrubbed::find(&self.vault, &item.bucket, item.id).await? else { return Ok(()) };
        if record.key.is_empty() || self.is_a_version_of(&record.key, item).await? {
            return Ok(());
        }
        self.spend();
        scrubbed::remove(&self.vault, &item.bucket, item.id).await?;
        self.gone(item, "scrub_record");
        Ok(())
    }

    async fn original(&mut self, item: &Item) -> Result<(), Error> {
        let age = self.vault.config.limits.original_age;
        let old = age.is_some_and(|age| item.content_ms.is_some_and(|at| is_past(at, age)));
        if !old && self.is_recorded(item).await? {
            return Ok(());
        }
        self.spend();
        let Some(note) = aside::find(&self.vault, item.kind, &item.bucket, item.id).await? else {
            return self.without_note(item).await;
        };
        let expired = age.is_some_and(|age| is_past(note.at_ms, age));
        if !expired && (self.is_recorded(item).await? || self.is_a_version_of(&note.key, item).await?) {
            return Ok(());
        }
        self.destroy(item, true).await?;
        self.gone(item, if expired { "expired_original" } else { "original" });
        Ok(())
    }

    /// Its content goes first, and that is told as long again.
    async fn quarantined(&mut self, item: &Item) -> Result<(), Error> {
        let age = self.vault.config.limits.quarantine_age;
        let due = |at_ms| age.is_some_and(|age| is_past(at_ms, age));
        // Written at the time that the note tells, or later: no need to read that.
        if item.note_ms.is_some() && !item.content_ms.or(item.note_ms).is_some_and(due) {
            return Ok(());
        }
        self.spend();
        let Some(note) = aside::find(&self.vault, item.kind, &item.bucket, item.id).await? else {
            return self.without_note(item).await;
        };
        if item.content_ms.is_some() {
            if due(note.at_ms) {
                // Before it is: should this be cut off, the next run finds the content and does the rest.
                if note.actions.last().is_none_or(|action| action.what != EXPIRED) {
                    self.spend();
                    aside::record(&self.vault, item.kind, &item.bucket, item.id, "data-vault", EXPIRED).await?;
                }
                self.destroy(item, false).await?;
                self.gone(item, "quarantine");
            }
            return Ok(());
        }
        // Content may be there and on the page before.
        self.spend();
        let last = note.actions.last().map_or(note.at_ms, |action| action.at_ms);
        if due(last) && !aside::has_content(&self.vault, item.kind, &item.bucket, item.id).await? {
            self.destroy(item, true).await?;
            self.gone(item, "quarantine_note");
        }
        Ok(())
    }

    /// A write of it was cut off before its note.
    async fn without_note(&mut self, item: &Item) -> Result<(), Error> {
        let grace = self.vault.config.limits.sweep_grace;
        if item.content_ms.is_some_and(|at| now_ms().saturating_sub(at) / WITHOUT_NOTE >= millis(grace)) {
            self.destroy(item, false).await?;
            self.gone(item, "orphan");
        }
        Ok(())
    }

    /// Whether the sidecar knows an object of the bucket with this id, under whatever key, and it is there. One that is gone proves nothing: there may be another.
    async fn is_recorded(&mut self, item: &Item) -> Result<bool, Error> {
        for at in self.vault.sidecar.with_oid(&item.bucket, item.id, NAMESAKES).await? {
            match self.has(at, item.id).await {
                Ok(false)
                | Err(Error::Answered { status: StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, .. }) => {}
                other => return other,
            }
        }
        Ok(false)
    }

    /// Whether any version of the key has the id, by reading each. Copies that the backend makes have the id of their source, and another key: most of them under
    /// no policy, and so without need of the record. Under `detect` some have one, which names the copy made last; while the sidecar knows the others it stays
    /// for them, and where it does not they are as objects that no policy has seen.
    async fn is_a_version_of(&mut self, key: &str, item: &Item) -> Result<bool, Error> {
        let mut markers = String::new();
        loop {
            self.spend();
            let page = pages::page(&self.vault, &item.bucket, key, &markers, &Signer::Gateway, true).await;
            let page = match page {
                // With all that was in it.
                Err(Error::Answered { code, .. }) if code == "NoSuchBucket" => return Ok(false),
                page => page?,
            };
            for entry in page.entries {
                // The key itself comes before those that only begin so.
                if entry.at.key != key {
                    return Ok(false);
                }
                // What was not looked at may be it.
                if self.calls == 0 || self.has(entry.at, item.id).await? {
                    return Ok(true);
                }
            }
            let Some(next) = page.next else { return Ok(false) };
            markers = next;
        }
    }

    async fn has(&mut self, at: ObjectAt, oid: Oid) -> Result<bool, Error> {
        self.spend();
        let source = Source::at(&self.vault, at, Signer::Gateway).taking_plain();
        Ok(match source.look(super::head::SUFFIX, false).await? {
            Look::Sealed(sealed) => sealed.stored.oid() == oid,
            Look::Plain(_) => false,
        })
    }

    async fn destroy(&mut self, item: &Item, with_note: bool) -> Result<(), Error> {
        self.spend();
        aside::destroy(&self.vault, item.kind, &item.bucket, item.id, with_note).await
    }

    fn gone(&mut self, item: &Item, kind: &'static str) {
        self.swept.gone += 1;
        self.vault.metrics.scrub.swept(kind);
        tracing::info!(kind, bucket = item.bucket, id = %item.id, "what is not needed any more was removed");
    }

    fn spend(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }
}

/// What is written down when it is done.
const EXPIRED: &str = "expired";

fn is_past(at_ms: i64, age: Duration) -> bool {
    now_ms().saturating_sub(at_ms) >= millis(age)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// `scrubbed/<bucket>/<oid>`, `<kind>/<bucket>/<id>/content` and `…/note`; what is named otherwise is not ours to remove.
fn items(kind: Kind, page: Vec<(String, i64)>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (key, at_ms) in page {
        let (name, part) = match kind {
            Kind::Scrub | Kind::Tokens => (key.as_str(), "content"),
            Kind::Original | Kind::Quarantine => key.rsplit_once('/').unwrap_or_default(),
        };
        let mut named = name.splitn(2, '/').skip(1).filter_map(|rest| rest.rsplit_once('/'));
        let Some((bucket, id)) = named.next() else { continue };
        let Some(id) = hex::decode(id).ok().and_then(|bytes| bytes.try_into().ok()).map(Oid) else { continue };
        let (content_ms, note_ms) = match part {
            "content" => (Some(at_ms), None),
            "note" => (None, Some(at_ms)),
            _ => continue,
        };
        match items.last_mut().filter(|item| item.id == id && item.bucket == bucket) {
            Some(item) => {
                item.content_ms = item.content_ms.or(content_ms);
                item.note_ms = item.note_ms.or(note_ms);
                item.last = key;
            }
            None => items.push(Item { kind, bucket: bucket.to_owned(), id, content_ms, note_ms, last: key }),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_objects_of_a_plaintext_are_one_item() {
        let (a, b) = ("0a".repeat(16), "0b".repeat(16));
        let page = [
            (format!("original/x/{a}/content"), 1),
            (format!("original/x/{a}/note"), 2),
            (format!("original/x/{b}/content"), 3),
            (format!("original/y/{b}/note"), 4),
            ("original/y/notes/note".to_owned(), 5),
            (format!("original/y/{b}/other"), 6),
            ("original/y".to_owned(), 7),
        ];
        let found: Vec<_> = items(Kind::Original, page.to_vec())
            .into_iter()
            .map(|item| (item.bucket, item.id.0[0], item.content_ms, item.note_ms, item.last))
            .collect();
        assert_eq!(
            found,
            [
                ("x".to_owned(), 10, Some(1), Some(2), page[1].0.clone()),
                ("x".to_owned(), 11, Some(3), None, page[2].0.clone()),
                ("y".to_owned(), 11, None, Some(4), page[3].0.clone()),
            ]
        );
    }

    #[test]
    fn a_record_is_one_item() {
        let page = vec![(format!("scrubbed/tenant$b/{}", "0a".repeat(16)), 1), ("scrubbed/b/short".to_owned(), 2)];
        let found = items(Kind::Scrub, page);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].bucket.as_str(), found[0].id.0, found[0].content_ms), ("tenant$b", [10; 16], Some(1)));
    }

    #[test]
    fn an_age_is_reached_and_never_before() {
        let now = now_ms();
        assert!(is_past(now - 1000, Duration::from_secs(1)));
        assert!(!is_past(now - 1000, Duration::from_mins(1)));
        assert!(!is_past(now + 60_000, Duration::from_millis(1)), "of a clock that is ahead");
        assert!(!is_past(i64::MAX, Duration::from_millis(1)));
    }
}
