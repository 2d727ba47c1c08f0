//! The detectors and the policy of one use, compiled.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use compact_str::CompactString;
use regex_automata::meta::Regex;

use crate::act::{self, Actor, Strategy, Treatment, label};
use crate::block::{self, Block, Blocks};
use crate::context::{Context, Evidence};
use crate::detector::{Detector, DetectorId, Find};
use crate::find::pattern::Patterns;
use crate::find::{self, Candidate, Finder, Header, Text};
use crate::finding::{Finding, Kind, Kinds};
use crate::merge::{End, Piece};
use crate::policy::{Allow, Policy};
use crate::stream::Scrubber;
use crate::view::{View, Views};

/// Why detectors and a policy do not make an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Two detectors have one name.
    #[error("two detectors are named {0:?}")]
    TwoOfAName(String),
    /// A detector wants a finder that does not exist.
    #[error("detector {detector:?}: there is no finder {code:?}")]
    NoFinder {
        /// Whose.
        detector: String,
        /// The name that it gave.
        code: String,
    },
    /// The policy speaks of a type that no detector finds.
    #[error("the policy names the type {0:?}, which no detector finds")]
    UnknownType(String),
    /// What detectors ask for cannot be compiled.
    #[error("{0}")]
    Compile(String),
}

/// Finds what its policy looks for. Shared by any number of streams.
pub struct Engine {
    detectors: Vec<Detector>,
    kinds: Kinds,
    /// By detector.
    rules: Vec<Rule>,
    finders: Vec<Box<dyn Finder>>,
    context: Context,
    allowed: Vec<Allowed>,
    /// Whose blocks are, if anyone's.
    blocks: Option<DetectorId>,
    /// Some type is masked.
    masks: bool,
    /// By detector: whether its candidates are acted on without further evidence.
    alone: Vec<bool>,
}

/// An allow list, compiled.
struct Allowed {
    /// None: all.
    kinds: Option<Vec<Kind>>,
    /// In lower case.
    exact: HashSet<String>,
    patterns: Option<Regex>,
}

impl Allowed {
    fn new(allow: &Allow, kinds: &Kinds) -> Result<Self, EngineError> {
        let whole: Vec<_> = allow.patterns.iter().map(|pattern| format!(r"\A(?:{pattern})\z")).collect();
        let patterns = Regex::new_many(&whole).map_err(|error| EngineError::Compile(error.to_string()))?;
        Ok(Self {
            kinds: (!allow.types.is_empty()).then(|| allow.types.iter().filter_map(|name| kinds.get(name)).collect()),
            exact: allow.exact.iter().map(|value| value.to_lowercase()).collect(),
            patterns: (!whole.is_empty()).then_some(patterns),
        })
    }

    fn allows(&self, kind: Kind, value: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && (!self.exact.is_empty() && self.exact.contains(&value.to_lowercase())
                || self.patterns.as_ref().is_some_and(|patterns| patterns.is_match(value)))
    }
}

struct Rule {
    kind: Kind,
    threshold: f32,
    treatment: Treatment,
    /// Its region is enabled.
    expected: bool,
}

/// The type of names of places, which addresses are joined with.
const PLACE: &str = "LOCATION";

/// How far a unit of an encoding may reach beyond the end of a segment: findings that start in it belong to the segment.
const STRADDLE: usize = 16;

/// What the views of a window show.
#[derive(Default)]
struct Found {
    pieces: Vec<Piece>,
    /// Findings that divided a unit and were extended over it, each with what of it is whole: `n` and an address in `\\njohn@example.com`.
    divided: Vec<(Piece, Range<u64>)>,
    /// What is left alone: it was scrubbed before, or an allow list names it.
    left: Vec<(Kind, Range<u64>)>,
    known: foldhash::HashSet<(u64, u64, DetectorId, u32)>,
}

impl Found {
    /// Whether no view showed this before.
    fn is_new(&mut self, place: &Range<u64>, detector: DetectorId, score: f32) -> bool {
        self.known.insert((place.start, place.end, detector, score.to_bits()))
    }

    /// All of them. Of a finding that divided a unit a view within shows the truth, when it shows the rest of it as the same.
    fn pieces(mut self) -> Vec<Piece> {
        self.left.sort_by_key(|(_, range)| range.start);
        let mut furthest = 0;
        let ends: Vec<_> = self
            .left
            .iter()
            .map(|(_, range)| {
                furthest = range.end.max(furthest);
                furthest
            })
            .collect();
        // What lies in a value that is left alone is a part of it.
        self.pieces.retain(|piece| {
            let before = self.left.partition_point(|(_, range)| range.start <= piece.range.start);
            before == 0 || ends[before - 1] < piece.range.end
        });
        let mut shown: Vec<_> =
            self.pieces.iter().map(|piece| (piece.kind, piece.range.clone())).chain(self.left).collect();
        shown.sort_by_key(|(_, range)| range.start);
        let divided = self.divided.into_iter().filter(|(piece, within)| {
            let first = shown.partition_point(|(_, inner)| inner.start < piece.range.start);
            let is_shown = shown[first..]
                .iter()
                .take_while(|(_, inner)| inner.start <= within.start)
                .any(|(kind, inner)| *kind == piece.kind && inner.end >= within.end && !within.is_empty());
            !is_shown
        });
        let divided: Vec<_> = divided.map(|(piece, _)| piece).collect();
        self.pieces.extend(divided);
        self.pieces
    }
}

impl Engine {
    /// Of detectors and those of the policy, as far as it looks for their types.
    pub fn new(detectors: Vec<Detector>, policy: &Policy) -> Result<Self, EngineError> {
        let detectors: Vec<_> = detectors.into_iter().chain(policy.detectors.iter().cloned()).collect();
        let mut names = HashSet::new();
        if let Some(twice) = detectors.iter().find(|detector| !names.insert(&detector.name)) {
            return Err(EngineError::TwoOfAName(twice.name.clone()));
        }
        if let Some(unknown) = policy
            .types
            .keys()
            .chain(policy.allow.iter().flat_map(|allow| &allow.types))
            .find(|kind| !detectors.iter().any(|detector| detector.kind == **kind))
        {
            return Err(EngineError::UnknownType(unknown.clone()));
        }
        let detectors: Vec<_> = detectors.into_iter().filter(|detector| policy.uses(detector)).collect();
        let mut kinds = Kinds::default();
        let rules: Vec<_> = detectors
            .iter()
            .map(|detector| Rule {
                kind: kinds.intern(&detector.kind),
                threshold: policy.threshold(&detector.kind),
                treatment: policy.treatment(&detector.kind, detector.strategy),
                expected: detector.region.as_ref().is_some_and(|region| policy.regions.contains(region)),
            })
            .collect();
        let finders = Self::finders(&detectors)?;
        let context = Context::new(&detectors).map_err(|error| EngineError::Compile(error.to_string()))?;
        let allowed = policy.allow.iter().map(|allow| Allowed::new(allow, &kinds)).collect::<Result<_, _>>()?;
        let masks = rules.iter().any(|rule: &Rule| rule.treatment.strategy == Strategy::Mask);
        let alone = detectors
            .iter()
            .zip(&rules)
            .map(|(detector, rule): (_, &Rule)| detector.score >= rule.threshold || rule.expected)
            .collect();
        let blocks =
            detectors.iter().position(|detector| matches!(&detector.find, Find::Code(name) if name == block::CODE));
        let blocks = blocks.map(|index| DetectorId(index as u16));
        Ok(Self { detectors, kinds, rules, finders, context, allowed, blocks, masks, alone })
    }

    fn finders(detectors: &[Detector]) -> Result<Vec<Box<dyn Finder>>, EngineError> {
        let mut patterns = Vec::new();
        let mut code: BTreeMap<&str, Vec<(DetectorId, &Detector)>> = BTreeMap::new();
        for (index, detector) in detectors.iter().enumerate() {
            let entry = (DetectorId(index as u16), detector);
            match &detector.find {
                Find::Pattern { .. } => patterns.push(entry),
                Find::Shapes(_) => code.entry("shapes").or_default().push(entry),
                // Blocks are a state of the stream, not of a text.
                Find::Code(name) if name == block::CODE => {}
                Find::Code(name) => code.entry(find::serves(name)).or_default().push(entry),
            }
        }
        let mut finders: Vec<Box<dyn Finder>> = vec![Box::new(Patterns::new(&patterns).map_err(EngineError::Compile)?)];
        for (name, of) in code {
            let Some(make) = find::by_name(name) else {
                return Err(EngineError::NoFinder { detector: of[0].1.name.clone(), code: name.to_owned() });
            };
            finders.push(make(&of).map_err(EngineError::Compile)?);
        }
        Ok(finders)
    }

    /// The detectors, by [`DetectorId`].
    pub fn detectors(&self) -> &[Detector] {
        &self.detectors
    }

    /// What is found in a whole text, merged, in order. For texts that are held anyway; a stream goes through a [`crate::Scrubber`].
    pub fn detect(self: &Arc<Self>, text: &[u8]) -> Vec<Finding> {
        Scrubber::observer(Arc::clone(self)).whole(text).expect("an observer blocks nothing").findings
    }

    /// What is found in a text as it stands, one view of one segment: matching alone, before anything is decoded, scored, merged or acted on. For
    /// benchmarks; [`Self::detect`] says what is acted on.
    pub fn candidates(&self, text: &str) -> Vec<Candidate> {
        let (text, all) = (Text::new(text), 0..text.len());
        let evidence = Evidence::new(&self.context, &text, &all, &self.alone, None);
        let mut found = Vec::new();
        for finder in &self.finders {
            finder.find_with(&text, all.clone(), &evidence, &mut found);
        }
        found
    }

    /// The names of the types of findings.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Whether the findings of a type need a key.
    pub(crate) fn is_keyed(&self, kind: Kind) -> bool {
        let keyed = Strategy::Hash.strictness();
        self.rules.iter().any(|rule| rule.kind == kind && rule.treatment.strategy.strictness() == keyed)
    }

    /// What the first window of a stream says about the columns of its lines.
    pub(crate) fn header(&self, window: &[u8]) -> Option<Header> {
        let views = Views::of(window);
        let mut header = Header::read(views.iter().next()?.text())?;
        for (name, speaks_for) in header.names.iter().zip(&mut header.speaks_for) {
            *speaks_for = self.context.speaks_for(name);
        }
        let known = header.speaks_for.iter().any(|some| !some.is_empty())
            || self.finders.iter().any(|finder| finder.knows_columns(&header));
        known.then_some(header)
    }

    /// What is found in `window` that starts in its range `core`, not yet merged. `base` is where the window starts in the stream; `last` when
    /// nothing follows it; `header` is what [`Self::header`] said of the start of the stream.
    pub(crate) fn pieces(
        &self,
        actor: &Actor,
        window: &[u8],
        core: &Range<usize>,
        base: u64,
        last: bool,
        header: Option<&Header>,
    ) -> Vec<Piece> {
        let mut found = Found::default();
        for view in Views::of(window).iter() {
            self.search(
                &view,
                window.len(),
                core,
                base,
                last,
                header.filter(|_| view.is_outermost()),
                actor,
                &mut found,
            );
        }
        found.pieces()
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `pieces`, split off for its length")]
    fn search(
        &self,
        view: &View<'_>,
        len: usize,
        core: &Range<usize>,
        base: u64,
        last: bool,
        header: Option<&Header>,
        actor: &Actor,
        found: &mut Found,
    ) {
        let reach = view.reach(core.start..(core.end + STRADDLE).min(len));
        let text = Text::near(view.text(), &reach);
        let marks = act::marks(&text);
        // The name of a type in a label is no context word.
        let without = act::without(&text, &marks);
        let unmarked = match &without {
            Cow::Borrowed(_) => None,
            Cow::Owned(without) => Some(Text::near(without, &reach)),
        };
        let table = header.map(|header| (header, reach.clone()));
        let evidence = |range: &Range<usize>| {
            Evidence::new(&self.context, unmarked.as_ref().unwrap_or(&text), range, &self.alone, table.clone())
        };
        let finders = || self.finders.iter().filter(|finder| view.is_innermost() || !finder.only_innermost());
        let all = evidence(&reach);
        let mut in_all = Vec::new();
        // What is found near what the view undoes, with what is known around it.
        let mut nearby: Vec<(Evidence<'_>, Vec<Candidate>)> = Vec::new();
        for range in view.undone(&reach) {
            let near = (range != reach).then(|| evidence(&range));
            let mut found = Vec::new();
            for finder in finders().filter(|finder| !finder.joins() && !finder.only_innermost()) {
                finder.find_with(&text, range.clone(), near.as_ref().unwrap_or(&all), &mut found);
                if let Some(header) = header {
                    finder.find_columns(header, &text, range.clone(), &mut found);
                }
            }
            match near {
                Some(near) => nearby.push((near, found)),
                None => in_all = found,
            }
        }
        // Names are looked for in the whole of one view, and what is joined with them in the whole of each.
        for finder in finders().filter(|finder| finder.only_innermost()) {
            finder.find_with(&text, reach.clone(), &all, &mut in_all);
        }
        let joining: Vec<_> = finders().filter(|finder| finder.joins()).collect();
        if !joining.is_empty() {
            let places = self.places(&text, &marks, nearby.iter().flat_map(|(_, found)| found).chain(&in_all));
            for finder in joining {
                finder.find_beside(&text, reach.clone(), &places, &mut in_all);
            }
        }
        nearby.push((all, in_all));
        let text = &text;
        for (evidence, candidate) in nearby.iter().flat_map(|(evidence, of)| of.iter().map(move |one| (evidence, one)))
        {
            // A finding divides no unit of what is encoded in it.
            let range = view.whole(candidate.start..candidate.end);
            let source = view.source(range.clone());
            if !core.contains(&source.start) {
                continue;
            }
            let rule = &self.rules[usize::from(candidate.detector.0)];
            let score =
                self.score(candidate, rule, || evidence.near(&(candidate.start..candidate.end), candidate.detector));
            let place = base + source.start as u64..base + source.end as u64;
            if score < rule.threshold || !found.is_new(&place, candidate.detector, score) {
                continue;
            }
            let kind = self.kinds.name(rule.kind);
            // What was scrubbed before is left alone.
            let value = candidate.start..candidate.end;
            let done =
                || act::is_done(rule.treatment, kind, text, &value) || self.masks && act::is_left_by_mask(text, &value);
            if act::is_scrubbed(text, &marks, &value)
                || !actor.observes() && done()
                || self.allowed.iter().any(|list| list.allows(rule.kind, &text[value.clone()]))
            {
                found.left.push((rule.kind, place));
                continue;
            }
            let end = if !last && source.end == len { End::Token } else { End::Seen };
            let label = CompactString::from(view.encode(range.clone(), &label(kind)));
            let replacement = match rule.treatment.strategy {
                Strategy::Label => label.clone(),
                _ if end == End::Token || range != (candidate.start..candidate.end) => label.clone(),
                _ => {
                    let replacement = actor.replace(rule.treatment, rule.kind, kind, &text[range.clone()]);
                    view.encode(range.clone(), &replacement).into()
                }
            };
            let piece = Piece {
                range: place,
                kind: rule.kind,
                detector: candidate.detector,
                score,
                strategy: rule.treatment.strategy,
                replacement,
                label,
                end,
                continued: false,
            };
            if range == (candidate.start..candidate.end) {
                found.pieces.push(piece);
            } else {
                let within = view.within(candidate.start..candidate.end);
                let within = if within.is_empty() { source.start..source.start } else { view.source(within) };
                found.divided.push((piece, base + within.start as u64..base + within.end as u64));
            }
        }
    }

    /// Where names of places are among candidates, in order, but for those that are left alone.
    fn places<'a>(
        &self,
        text: &str,
        marks: &[(usize, usize)],
        candidates: impl Iterator<Item = &'a Candidate>,
    ) -> Vec<Range<usize>> {
        let is_place = |candidate: &&Candidate| {
            let rule = &self.rules[usize::from(candidate.detector.0)];
            let range = candidate.start..candidate.end;
            self.kinds.name(rule.kind) == PLACE
                && candidate.score >= rule.threshold
                && !act::is_scrubbed(text, marks, &range)
                && !act::is_done(rule.treatment, PLACE, text, &range)
        };
        let mut places: Vec<_> = candidates.filter(is_place).map(|candidate| candidate.start..candidate.end).collect();
        places.sort_unstable_by_key(|place| (place.start, place.end));
        places
    }

    /// The blocks of the segment `core` of `window`, as pieces.
    pub(crate) fn blocks(
        &self,
        blocks: &mut Blocks,
        window: &[u8],
        core: &Range<usize>,
        base: u64,
        last: bool,
    ) -> Vec<Piece> {
        let Some(detector) = self.blocks else { return Vec::new() };
        let (rule, score) = (&self.rules[usize::from(detector.0)], self.detectors[usize::from(detector.0)].score);
        let label = label(self.kinds.name(rule.kind));
        let strategy = rule.treatment.strategy;
        let piece = |block: Block| Piece {
            range: base + block.range.start as u64..base + block.range.end as u64,
            kind: rule.kind,
            detector,
            score,
            // A part of a key is a key.
            strategy: if strategy.strictness() < Strategy::Label.strictness() { Strategy::Label } else { strategy },
            replacement: if strategy == Strategy::Drop { CompactString::default() } else { label.clone() },
            label: label.clone(),
            end: if block.continues { End::Block } else { End::Seen },
            continued: block.continued,
        };
        blocks.scan(window, core.clone(), last).into_iter().map(piece).collect()
    }

    fn score(&self, candidate: &Candidate, rule: &Rule, near: impl FnOnce() -> bool) -> f32 {
        let supported = self.detectors[usize::from(candidate.detector.0)].with_context;
        if candidate.score >= supported || !(candidate.evident || rule.expected || near()) {
            candidate.score
        } else {
            supported
        }
    }
}
