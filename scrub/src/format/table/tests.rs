//! What the tests of the formats share.

use std::sync::Arc;

use crate::act::{Actor, Strategy};
use crate::format::tests::{BADGE, PAIR};
use crate::format::{Job, Limits, Rule};
use crate::policy::{Policy, TypeRule};
use crate::{Engine, builtin, detector};

fn engine(strategy: Strategy) -> Arc<Engine> {
    let fields = builtin::detectors().into_iter().filter(|detector| detector.name.starts_with("field_"));
    let detectors: Vec<_> = fields.chain(detector::read("test", &format!("{BADGE}{PAIR}")).unwrap()).collect();
    let rule = TypeRule { strategy: Some(strategy), ..TypeRule::default() };
    let types = detectors.iter().map(|detector| (detector.kind.clone(), rule.clone())).collect();
    Arc::new(Engine::new(detectors, &Policy { types, ..Policy::default() }).unwrap())
}

/// With a detector of badges, one of pairs, and those that go by the names of fields.
pub fn job(strategy: Strategy) -> Job {
    Job {
        engine: engine(strategy),
        actor: Some(Actor::default()),
        on_media: Rule::Refuse,
        on_unknown: Rule::Quarantine,
        limits: Limits::default(),
        memory: None,
    }
}

/// Numbers that are the same in every run.
pub fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize
}
