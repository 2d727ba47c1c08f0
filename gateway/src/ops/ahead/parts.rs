//! The parts of an upload, between those who bring them and the engine that reads them in their order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keys::object::Prefix;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::sidecar::PartAttempt;

/// Parts that come.
pub(super) struct Parts {
    state: Mutex<State>,
    changed: Notify,
    /// A Complete takes over.
    pub(super) taken: CancellationToken,
    /// Nobody wants it any more.
    pub(super) stop: CancellationToken,
}

#[derive(Default)]
struct State {
    /// Those that have come and were not read, the latest attempt at each.
    waiting: BTreeMap<u16, PartAttempt>,
    /// Those that are read, in their order.
    read: Vec<Prefix>,
    /// What follows them to the end of the object, once a Complete has said it.
    rest: Option<VecDeque<PartAttempt>>,
    /// It has ended, and no Complete can go on from it.
    ended: bool,
}

/// No part came for long.
#[derive(Debug, thiserror::Error)]
#[error("the next part did not come")]
pub(super) struct Idle;

impl Parts {
    /// Those of an upload of which part 1 has come.
    pub(super) fn of(first: PartAttempt) -> Self {
        let state = State { waiting: BTreeMap::from([(first.number, first)]), ..State::default() };
        let (taken, stop) = (CancellationToken::new(), CancellationToken::new());
        Self { state: Mutex::new(state), changed: Notify::new(), taken, stop }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one came. Whether what was read is still what it is.
    pub(super) fn arrived(&self, part: &PartAttempt) -> bool {
        let mut state = self.state();
        if usize::from(part.number) <= state.read.len() {
            return false;
        }
        state.waiting.insert(part.number, part.clone());
        self.changed.notify_one();
        true
    }

    /// Those that came before the first.
    pub(super) fn came(&self, parts: impl Iterator<Item = PartAttempt>) {
        let mut state = self.state();
        for part in parts {
            state.waiting.entry(part.number).or_insert(part);
        }
    }

    /// The next one to be read; none at the end of the object.
    pub(super) async fn next(&self, idle: Duration) -> Result<Option<PartAttempt>, Idle> {
        loop {
            {
                let mut state = self.state();
                if let Some(rest) = &mut state.rest {
                    return Ok(rest.pop_front());
                }
                let number = u16::try_from(state.read.len() + 1).unwrap_or(u16::MAX);
                if let Some(part) = state.waiting.remove(&number) {
                    state.read.push(part.entry.prefix);
                    return Ok(Some(part));
                }
            }
            if tokio::time::timeout(idle, self.changed.notified()).await.is_err() && self.end() {
                return Err(Idle);
            }
        }
    }

    /// No Complete goes on from here; unless one does already, which is told.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state();
        state.ended = state.rest.is_none();
        state.ended
    }

    /// A Complete says which parts the object has. Whether they begin with those that were read, so that the others follow.
    pub(super) fn hand_over(&self, chosen: &[PartAttempt]) -> bool {
        let mut state = self.state();
        let begins = chosen.len() >= state.read.len()
            && chosen.iter().zip(&state.read).all(|(part, read)| part.entry.prefix == *read);
        if state.ended || !begins {
            return false;
        }
        state.rest = Some(chosen[state.read.len()..].iter().cloned().collect());
        state.waiting.clear();
        self.changed.notify_one();
        self.taken.cancel();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::object::PartEntry;

    const IDLE: Duration = Duration::from_mins(1);
    const SOON: Duration = Duration::from_millis(5);

    fn part(number: u16, salt: u8) -> PartAttempt {
        PartAttempt {
            oid: keys::Oid([0; 16]),
            number,
            backend_etag: "etag".into(),
            stash: Some(format!("stash/{number}")),
            entry: PartEntry { number, length: 6 << 20, prefix: [salt; 56], md5: [salt; 16], checksum: None },
            copied_from: None,
            at_ms: 0,
        }
    }

    async fn next(parts: &Parts) -> Option<(u16, u8)> {
        let next = parts.next(IDLE).await.unwrap();
        next.map(|part| (part.number, part.entry.prefix[0]))
    }

    #[tokio::test]
    async fn in_order_and_the_latest_of_each() {
        let parts = Parts::of(part(1, 1));
        assert!(parts.arrived(&part(3, 3)));
        assert!(parts.arrived(&part(3, 4)));
        parts.came([part(2, 2), part(3, 9)].into_iter());
        for expected in [(1, 1), (2, 2), (3, 4)] {
            assert_eq!(next(&parts).await, Some(expected));
        }
        assert!(parts.arrived(&part(5, 5)));
        assert!(parts.next(SOON).await.is_err(), "4 does not come");
        assert!(!parts.hand_over(&[part(1, 1), part(2, 2), part(3, 4)]), "it has ended");
    }

    #[tokio::test]
    async fn what_was_read_and_comes_again_is_another() {
        let parts = Parts::of(part(1, 1));
        assert_eq!(next(&parts).await, Some((1, 1)));
        assert!(!parts.arrived(&part(1, 2)));
        assert!(!parts.hand_over(&[part(1, 2)]));
        assert!(parts.hand_over(&[part(1, 1)]));
        assert_eq!(next(&parts).await, None);
    }

    #[tokio::test]
    async fn a_complete_says_what_follows_whatever_came() {
        let parts = Parts::of(part(1, 1));
        assert_eq!(next(&parts).await, Some((1, 1)));
        parts.arrived(&part(2, 2));
        assert!(!parts.hand_over(&[]), "fewer than were read");
        assert!(!parts.hand_over(&[part(2, 2)]), "others than were read");
        assert!(!parts.taken.is_cancelled());
        assert!(parts.hand_over(&[part(1, 1), part(7, 7), part(9, 9)]));
        assert!(parts.taken.is_cancelled());
        assert_eq!([next(&parts).await, next(&parts).await, next(&parts).await], [Some((7, 7)), Some((9, 9)), None]);
        assert!(!parts.end(), "a Complete is at it");
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let parts = std::sync::Arc::new(Parts::of(part(1, 1)));
        assert_eq!(next(&parts).await, Some((1, 1)));
        let waits = tokio::spawn({
            let parts = parts.clone();
            async move { [next(&parts).await, next(&parts).await] }
        });
        tokio::time::sleep(SOON).await;
        parts.arrived(&part(2, 2));
        tokio::time::sleep(SOON).await;
        assert!(parts.hand_over(&[part(1, 1), part(2, 2)]));
        assert_eq!(waits.await.unwrap(), [Some((2, 2)), None]);
    }
}
