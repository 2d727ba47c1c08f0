//! The detectors, for a person.

use std::io::{self, Write};

use scrub::detector::Detector;

/// One paragraph a detector, in the order of types and names.
pub fn write(detectors: &[Detector], out: &mut impl Write) -> io::Result<()> {
    let mut sorted: Vec<&Detector> = detectors.iter().collect();
    sorted.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    for detector in sorted {
        let region = detector.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
        writeln!(out, "{} ({}{region}): {}", detector.kind, detector.name, detector.about)?;
        writeln!(
            out,
            "  score {:.2}, with context {:.2}, then {}",
            detector.score, detector.with_context, detector.strategy
        )?;
        if !detector.context.is_empty() {
            writeln!(out, "  context: {}", detector.context.join(", "))?;
        }
        for (label, examples) in [("finds", &detector.examples), ("leaves", &detector.counter_examples)] {
            if let Some(example) = examples.first() {
                writeln!(out, "  {label}: {}", example.escape_debug())?;
            }
        }
    }
    Ok(())
}
