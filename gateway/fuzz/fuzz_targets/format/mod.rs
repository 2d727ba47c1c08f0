//! Any bytes as a file: how they come in changes nothing, what is found is gone from what comes out, and where nothing is found in a file that is not
//! compressed, an archive, mail or a table in binary every byte stays. First byte: how many bytes come at a time.

use std::cell::RefCell;
use std::io::Read;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::{Arc, LazyLock, Once};

use libfuzzer_sys::Corpus;
use scrub::act::Actor;
use scrub::format::{Format, HEAD, Job, Limits, Rule, scrub, sniff};
use scrub::policy::Policy;
use scrub::{Engine, detector};

/// One value that is easily written, so that much is found.
const DETECTOR: &str = r#"
    [[detector]]
    name = "badge"
    type = "BADGE"
    pattern = 'E[0-9]{3}'
    score = 0.6
    max_length = 4
    strategy = "label"
    examples = ["E471"]
    counter_examples = ["E47"]
"#;

static JOB: LazyLock<Job> = LazyLock::new(|| {
    let detectors = detector::read("fuzz", DETECTOR).expect("the detector is right");
    Job {
        engine: Arc::new(Engine::new(detectors, &Policy::default()).expect("it makes an engine")),
        actor: Some(Actor::default()),
        on_media: Rule::Refuse,
        on_unknown: Rule::Refuse,
        limits: Limits::default(),
        memory: None,
    }
});

struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(buffer.len()).min(self.0.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

/// A file of a format that is `wanted`. Others are not kept by the fuzzer, which would leave the format soon.
pub fn check(data: &[u8], wanted: impl Fn(Format) -> bool) -> Corpus {
    let [size, source @ ..] = data else { return Corpus::Reject };
    let format = sniff(&source[..source.len().min(HEAD)], source.len() < HEAD);
    if !wanted(format) {
        return Corpus::Reject;
    }
    panics_abort(|| look(usize::from(*size) + 1, source, format))
}

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The library of Parquet panics at some tables, and the engine takes these for broken. libFuzzer would end there: a panic that the engine lets out does.
fn panics_abort(look: impl FnOnce() -> Corpus) -> Corpus {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(|info| LAST.set(info.to_string()))));
    panic::catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
        eprintln!("{}", LAST.take());
        process::abort()
    })
}

fn look(size: usize, source: &[u8], format: Format) -> Corpus {
    let run = |size: usize| {
        let mut out = Vec::new();
        scrub(&mut Pieces(source, size), &mut out, &JOB).map(|summary| (out, summary)).ok()
    };
    let whole = run(usize::MAX);
    assert_eq!(whole, run(size));
    let Some((out, summary)) = whole else { return Corpus::Keep };
    // What no value is in is not taken over in tables.
    let rebuilt =
        matches!(format, Format::Compressed(_) | Format::Tar | Format::Zip | Format::Warc | Format::Mail { .. });
    if rebuilt || matches!(format, Format::Arrow { .. } | Format::Avro) {
        return Corpus::Keep;
    }
    if summary.findings.is_empty() {
        assert_eq!(out, source);
    }
    // What it left for its format's sake is counted. In markup a label may stand beside what makes another value of it.
    if summary.unfit == 0
        && !matches!(format, Format::Markup { .. })
        && !source.starts_with(b"\xFF\xFE")
        && !source.starts_with(b"\xFE\xFF")
    {
        let (again, more) = scrub_again(&out);
        // The end of a label in percent encoding or quoted-printable, `%3E`, is a value with digits behind it.
        let made = out.windows(5).any(|end| end.starts_with(b"3E") && end[2..].iter().all(u8::is_ascii_digit));
        assert!(more == 0 || again || made, "{}", String::from_utf8_lossy(&out));
    }
    Corpus::Keep
}

/// What is still found, and whether the file is of another format now, in which more may come to be found.
fn scrub_again(source: &[u8]) -> (bool, u64) {
    let mut out = Vec::new();
    match scrub(&mut &source[..], &mut out, &JOB) {
        Ok(summary) => (summary.unfit > 0, summary.findings.values().sum()),
        Err(_) => (true, 0),
    }
}
