//! Memory for large buffers, of which all bodies of a process have one budget.
//!
//! Whoever needs a large buffer takes its size from the budget before it is made, and gives it back when it is dropped. Who finds too little waits. Nobody
//! waits for ever:
//!
//! - A body that holds nothing waits for others alone, who wait for it in nothing.
//! - A body that holds something and finds too little goes ahead of all others: it takes beyond the budget, if no other does so. One at a time is ahead, until
//!   it holds nothing or the budget is kept again. It never waits here, so it comes to its end, and gives back what it held.
//! - So whenever bodies wait that hold something, one is ahead; and where none holds anything, the first of those that wait takes what it asks for.
//! - A thread that is to wait gives its turn on a processor back before, by its [`Pause`], and takes one again when it has its memory: the one that is ahead
//!   finds one.
//!
//! What the others hold together is within the budget at any time, and the one that is ahead has a bound of its own: so the whole is the budget, and what one
//! body may need. Since a body may hold memory for as long as its client takes to send it, waiting has an end too: [`FormatError::Busy`].

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::FormatError;

/// Buffers up to this size are not counted, and larger ones in multiples of it.
const STEP: u64 = 1 << 20;

/// What all bodies share.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    /// How long one waits.
    patience: Duration,
    state: Mutex<State>,
    /// Something was given back.
    freed: Condvar,
    /// Numbers of bodies, so far.
    bodies: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    taken: u64,
    /// The most that was taken at a time.
    most: u64,
    /// The body that may go beyond the budget.
    ahead: Option<u64>,
    /// Those that hold nothing and wait, in their order.
    queue: VecDeque<u64>,
}

/// What a thread does that is to wait.
pub trait Pause {
    /// Before: gives back what others wait for.
    fn pause(&self);

    /// Behind: takes it again.
    fn go_on(&self) -> io::Result<()>;
}

impl Budget {
    /// Of so many bytes, for which a body waits no longer than `patience`.
    pub fn new(total: u64, patience: Duration) -> Self {
        Self { total, patience, state: Mutex::default(), freed: Condvar::new(), bodies: AtomicU64::new(0) }
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> u64 {
        self.state().taken
    }

    /// The most that were taken at a time.
    pub fn most(&self) -> u64 {
        self.state().most
    }

    /// No panic is within a change of it, so one elsewhere does not matter.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body has of a budget.
#[derive(Debug)]
pub struct Share {
    /// None: there is no bound.
    budget: Option<Arc<Budget>>,
    number: u64,
    /// Bytes; changed while the budget's state is held.
    taken: AtomicU64,
}

impl Share {
    /// Of a body that holds nothing yet.
    pub fn of(budget: Option<&Arc<Budget>>) -> Arc<Self> {
        let number = budget.map_or(0, |budget| budget.bodies.fetch_add(1, Ordering::Relaxed));
        Arc::new(Self { budget: budget.cloned(), number, taken: AtomicU64::new(0) })
    }

    /// Whether it may take so many bytes more now; takes them.
    fn takes(&self, budget: &Budget, state: &mut State, bytes: u64) -> bool {
        let own = self.taken.load(Ordering::Relaxed);
        let fits = state.taken.saturating_add(bytes) <= budget.total;
        let is_next = own > 0 || state.queue.front().is_none_or(|first| *first == self.number);
        // One that asks for more than there is, when nobody holds anything, is bound by its own bounds.
        let goes_ahead = match state.ahead {
            Some(ahead) => ahead == self.number,
            None => !fits && (own > 0 || is_next && state.taken == 0),
        };
        if !(goes_ahead || fits && is_next) {
            return false;
        }
        if !fits {
            state.ahead = Some(self.number);
        }
        state.taken = state.taken.saturating_add(bytes);
        state.most = state.most.max(state.taken);
        self.taken.store(own.saturating_add(bytes), Ordering::Relaxed);
        true
    }

    fn take(&self, bytes: u64, pause: Option<&dyn Pause>) -> Result<(), FormatError> {
        let Some(budget) = &self.budget else { return Ok(()) };
        if bytes == 0 || self.takes(budget, &mut budget.state(), bytes) {
            return Ok(());
        }
        if let Some(pause) = pause {
            pause.pause();
        }
        let taken = self.wait(budget, bytes);
        let on = pause.map_or(Ok(()), Pause::go_on);
        match (taken, on) {
            (false, _) => Err(FormatError::Busy),
            (true, Ok(())) => Ok(()),
            (true, Err(error)) => {
                self.give(bytes);
                Err(FormatError::Read(error))
            }
        }
    }

    /// Whether it took them in time.
    fn wait(&self, budget: &Budget, bytes: u64) -> bool {
        let until = Instant::now() + budget.patience;
        let mut state = budget.state();
        let queues = self.taken.load(Ordering::Relaxed) == 0;
        if queues {
            state.queue.push_back(self.number);
        }
        let taken = loop {
            if self.takes(budget, &mut state, bytes) {
                break true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            state = budget.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        if queues {
            state.queue.retain(|waiting| *waiting != self.number);
            budget.freed.notify_all();
        }
        taken
    }

    /// Takes so many bytes if they are there.
    fn try_take(&self, bytes: u64) -> bool {
        let Some(budget) = &self.budget else { return true };
        let mut state = budget.state();
        let fits = state.taken.saturating_add(bytes) <= budget.total && state.queue.is_empty();
        (fits || state.ahead == Some(self.number)) && self.takes(budget, &mut state, bytes)
    }

    fn give(&self, bytes: u64) {
        let Some(budget) = self.budget.as_ref().filter(|_| bytes > 0) else { return };
        let mut state = budget.state();
        let own = self.taken.load(Ordering::Relaxed).saturating_sub(bytes);
        self.taken.store(own, Ordering::Relaxed);
        state.taken = state.taken.saturating_sub(bytes);
        if state.ahead == Some(self.number) && (own == 0 || state.taken <= budget.total) {
            state.ahead = None;
        }
        budget.freed.notify_all();
    }
}

/// Bytes of buffers, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    share: Arc<Share>,
    bytes: u64,
}

impl Held {
    /// Of none.
    pub fn new(share: &Arc<Share>) -> Self {
        Self { share: Arc::clone(share), bytes: 0 }
    }

    /// Bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn counted(bytes: u64) -> u64 {
        if bytes <= STEP { 0 } else { bytes.checked_next_multiple_of(STEP).unwrap_or(bytes) }
    }

    /// As many as these more, for which it may wait.
    pub fn grow(&mut self, by: u64, pause: Option<&dyn Pause>) -> Result<(), FormatError> {
        let bytes = self.bytes.saturating_add(by);
        self.share.take(Self::counted(bytes) - Self::counted(self.bytes), pause)?;
        self.bytes = bytes;
        Ok(())
    }

    /// The same if they are there: whether they are.
    pub fn try_grow(&mut self, by: u64) -> bool {
        let bytes = self.bytes.saturating_add(by);
        let more = Self::counted(bytes) - Self::counted(self.bytes);
        let taken = more == 0 || self.share.try_take(more);
        if taken {
            self.bytes = bytes;
        }
        taken
    }

    /// Gives back all but so many.
    pub fn shrink(&mut self, to: u64) {
        let to = to.min(self.bytes);
        self.share.give(Self::counted(self.bytes) - Self::counted(to));
        self.bytes = to;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MIB: u64 = 1 << 20;
    const LONG: Duration = Duration::from_mins(10);

    fn held(budget: &Arc<Budget>) -> Held {
        Held::new(&Share::of(Some(budget)))
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let budget = Arc::new(Budget::new(10 * MIB, Duration::ZERO));
        let mut first = held(&budget);
        first.grow(MIB, None).unwrap();
        assert_eq!(budget.taken(), 0);
        first.grow(1, None).unwrap();
        assert_eq!(budget.taken(), 2 * MIB);
        first.grow(6 * MIB, None).unwrap();
        let mut second = held(&budget);
        assert!(matches!(second.grow(3 * MIB, None), Err(FormatError::Busy)) && second.bytes() == 0);
        second.grow(2 * MIB, None).unwrap();
        assert!(!second.try_grow(MIB));
        // It holds something: so it goes beyond.
        second.grow(5 * MIB, None).unwrap();
        assert_eq!(budget.taken(), 15 * MIB);
        // The first holds something too, but one is ahead at a time.
        assert!(matches!(first.grow(MIB, None), Err(FormatError::Busy)));
        second.shrink(2 * MIB);
        first.grow(MIB, None).unwrap();
        drop((first, second));
        assert_eq!((budget.taken(), budget.most()), (0, 15 * MIB));
        // More than there is, where nobody holds anything.
        held(&budget).grow(99 * MIB, None).unwrap();
        assert_eq!((budget.taken(), budget.most()), (0, 99 * MIB));
        let mut free = Held::new(&Share::of(None));
        assert!(free.try_grow(u64::MAX) && budget.taken() == 0);
    }

    /// Turns, of which there are fewer than threads.
    struct Turns {
        left: Mutex<usize>,
        free: Condvar,
    }

    impl Pause for Turns {
        fn pause(&self) {
            *self.left.lock().unwrap() += 1;
            self.free.notify_all();
        }

        fn go_on(&self) -> io::Result<()> {
            let mut left = self.free.wait_while(self.left.lock().unwrap(), |left| *left == 0).unwrap();
            *left -= 1;
            Ok(())
        }
    }

    #[test]
    fn many_that_hold_and_want_more_come_to_their_end() {
        const THREADS: u64 = 24;
        // What one takes in all.
        const MOST: u64 = 12;
        let budget = Arc::new(Budget::new(16 * MIB, LONG));
        let turns = Turns { left: Mutex::new(2), free: Condvar::new() };
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (budget, turns) = (&budget, &turns);
                scope.spawn(move || {
                    turns.go_on().unwrap();
                    let mut state = number + 1;
                    for _ in 0..60 {
                        let share = Share::of(Some(budget));
                        let (mut parts, mut total) = (Vec::new(), 0);
                        while total < MOST {
                            let more =
                                (1 + crate::format::table::tests::random(&mut state) as u64 % 4).min(MOST - total);
                            let mut part = Held::new(&share);
                            part.grow(more * MIB + 1, Some(turns)).unwrap();
                            total += more + 1;
                            parts.push(part);
                            // Others run between, as they do where a body waits for its client.
                            if more == 1 {
                                turns.pause();
                                thread::yield_now();
                                turns.go_on().unwrap();
                            }
                            if more == 3 {
                                total -= parts.swap_remove(0).bytes() / MIB + 1;
                            }
                            assert!(budget.taken() <= (16 + MOST + 4) * MIB);
                        }
                    }
                    turns.pause();
                });
            }
        });
        assert_eq!(budget.taken(), 0);
        assert!(budget.state().queue.is_empty() && budget.state().ahead.is_none());
    }
}
