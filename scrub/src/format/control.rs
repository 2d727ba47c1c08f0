//! Files by which the committers of Hadoop's S3A tell each other what to do: `.pending` and `.pendingset` of the magic one, and `_SUCCESS`. They are JSON that is read
//! back: a key or an upload id that was changed in them loses the job. So only what is said for people in them is scrubbed, and what is found in the rest is
//! counted as unfit. A file of such a name that has another shape is a file as any other.
//!
//! Source: Hadoop 3.5, `org.apache.hadoop.fs.s3a.commit.files.SinglePendingCommit`, `PendingSet`, `SuccessData`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use percent_encoding::percent_decode_str;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::table::texts;
use super::{FormatError, Summary, Work};

/// Longer ones are files as any other: that of 5,000 uploads has some 10 MB.
pub(super) const LONGEST: usize = 16 << 20;
/// Bytes of the key of an object, at most.
const KEY: usize = 1024;
/// Bytes of a scheme and a bucket before it.
const BUCKET: usize = 128;

/// What a file is, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Uploads that are to be completed: `.pending` or `.pendingset` below a magic folder.
    Pending,
    /// That a job has ended: `_SUCCESS`.
    Success,
}

impl Control {
    /// What a file of this key may be.
    pub fn of(key: &str) -> Option<Self> {
        let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
        if name == "_SUCCESS" {
            return Some(Self::Success);
        }
        let is_magic = |folder: &str| folder == "__magic" || folder.starts_with("__magic_job-");
        let is_pending = name.ends_with(".pending") || name.ends_with(".pendingset");
        (is_pending && folders.split('/').any(is_magic)).then_some(Self::Pending)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Set<'a> {
    #[serde(rename = "version")]
    _version: u32,
    #[serde(borrow)]
    job_id: Cow<'a, str>,
    #[serde(borrow)]
    commits: Vec<Pending<'a>>,
    #[serde(default, rename = "iostatistics")]
    statistics: Option<Statistics>,
    #[serde(borrow, default)]
    extra_data: Texts<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pending<'a> {
    #[serde(rename = "version")]
    _version: u32,
    #[serde(borrow)]
    filename: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Cow<'a, str>,
    #[serde(borrow)]
    upload_id: Cow<'a, str>,
    #[serde(borrow)]
    bucket: Cow<'a, str>,
    #[serde(borrow)]
    destination_key: Cow<'a, str>,
    #[serde(rename = "created")]
    _created: Option<i64>,
    #[serde(rename = "saved")]
    _saved: Option<i64>,
    #[serde(borrow)]
    date: Option<&'a RawValue>,
    #[serde(borrow)]
    job_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    task_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    etags: Vec<Etag<'a>>,
    #[serde(borrow, default)]
    extra_data: Option<Texts<'a>>,
    #[serde(rename = "length")]
    _length: i64,
    #[serde(default, rename = "iostatistics")]
    statistics: Option<Statistics>,
    #[serde(default, rename = "partCount")]
    _part_count: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Etag<'a> {
    /// Before checksums.
    Alone(#[serde(borrow)] Cow<'a, str>),
    Checked(#[serde(borrow)] CheckedEtag<'a>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CheckedEtag<'a> {
    #[serde(borrow)]
    etag: Cow<'a, str>,
    #[serde(borrow)]
    checksum_algorithm: Option<Cow<'a, str>>,
    #[serde(borrow)]
    checksum: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Success<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "success")]
    _done: bool,
    #[serde(rename = "timestamp")]
    _timestamp: i64,
    #[serde(borrow)]
    date: Option<&'a RawValue>,
    #[serde(borrow)]
    hostname: Option<&'a RawValue>,
    #[serde(borrow)]
    committer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    job_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    job_id_source: Option<&'a RawValue>,
    metrics: Option<BTreeMap<String, serde_json::Number>>,
    #[serde(borrow)]
    diagnostics: Option<Texts<'a>>,
    #[serde(borrow)]
    filenames: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    state: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stage: Option<&'a RawValue>,
    #[serde(default, rename = "iostatistics")]
    statistics: Option<Statistics>,
}

/// Texts by their names, none of which is there twice: of those that are, only one would be looked at.
#[derive(Default)]
struct Texts<'a>(BTreeMap<String, &'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form<'a>(PhantomData<&'a RawValue>);
        impl<'de: 'a, 'a> Visitor<'de> for Form<'a> {
            type Value = Texts<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts<'a>, A::Error> {
                let mut texts = BTreeMap::new();
                while let Some((name, text)) = map.next_entry::<String, &'a RawValue>()? {
                    if texts.insert(name, text).is_some() {
                        return Err(de::Error::custom("a name is there twice"));
                    }
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_map(Form(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statistics {
    counters: BTreeMap<String, serde_json::Number>,
    gauges: BTreeMap<String, serde_json::Number>,
    minimums: BTreeMap<String, serde_json::Number>,
    maximums: BTreeMap<String, serde_json::Number>,
    meanstatistics: BTreeMap<String, BTreeMap<String, serde_json::Number>>,
}

impl Statistics {
    fn names(&self) -> impl Iterator<Item = &str> {
        let maps = [&self.counters, &self.gauges, &self.minimums, &self.maximums];
        let means = self.meanstatistics.iter().flat_map(|(name, of)| std::iter::once(name).chain(of.keys()));
        maps.into_iter().flat_map(BTreeMap::keys).chain(means).map(String::as_str)
    }
}

/// What is said for people in a file: texts, each with its name.
#[derive(Default)]
struct Content<'a> {
    texts: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// All else are words and names of objects, as machines write them.
    is_sound: bool,
}

impl<'a> Content<'a> {
    fn of(control: Control, json: &'a str) -> Option<Self> {
        let mut content = Self { is_sound: true, ..Self::default() };
        match control {
            Control::Success => content.success(serde_json::from_str(json).ok()?),
            Control::Pending => match serde_json::from_str::<Set<'a>>(json) {
                Ok(set) => {
                    content.words([&*set.job_id]);
                    content.statistics(set.statistics.as_ref());
                    content.map(set.extra_data);
                    set.commits.into_iter().for_each(|pending| content.pending(pending));
                }
                Err(_) => content.pending(serde_json::from_str(json).ok()?),
            },
        }
        content.is_sound.then_some(content)
    }

    fn pending(&mut self, pending: Pending<'a>) {
        self.words([&*pending.upload_id, &*pending.bucket]);
        self.words(pending.job_id.iter().chain(&pending.task_id).map(|word| &**word));
        for etag in &pending.etags {
            match etag {
                Etag::Alone(etag) => self.words([&**etag]),
                Etag::Checked(of) => {
                    self.words([&*of.etag]);
                    self.words(of.checksum_algorithm.iter().chain(&of.checksum).map(|word| &**word));
                }
            }
        }
        self.statistics(pending.statistics.as_ref());
        self.is_sound &= pending.uri.starts_with("s3") && pending.uri.contains(&*pending.bucket);
        self.is_sound &= pending.destination_key.len() <= KEY;
        let places = [Some(&pending.uri), pending.filename.as_ref()];
        self.is_sound &= places.into_iter().flatten().all(|uri| percent_decode_str(uri).count() <= BUCKET + KEY);
        self.said([("date", pending.date), ("text", pending.text)]);
        self.map(pending.extra_data.unwrap_or_default());
    }

    fn success(&mut self, success: Success<'a>) {
        self.words([&*success.name]);
        let words = [&success.committer, &success.job_id];
        self.words(words.into_iter().flatten().map(|word| &**word));
        self.words(success.metrics.iter().flat_map(BTreeMap::keys).map(String::as_str));
        self.statistics(success.statistics.as_ref());
        self.said([
            ("date", success.date),
            ("hostname", success.hostname),
            ("description", success.description),
            ("jobIdSource", success.job_id_source),
            ("state", success.state),
            ("stage", success.stage),
        ]);
        let names = success.filenames.unwrap_or_default();
        self.texts.extend(names.into_iter().map(|name| ("filename".into(), name)));
        self.map(success.diagnostics.unwrap_or_default());
    }

    fn said(&mut self, texts: impl IntoIterator<Item = (&'static str, Option<&'a RawValue>)>) {
        self.texts.extend(texts.into_iter().filter_map(|(name, text)| Some((name.into(), text?))));
    }

    fn map(&mut self, Texts(map): Texts<'a>) {
        self.words(map.keys().map(String::as_str));
        self.texts.extend(map.into_iter().map(|(name, text)| (name.into(), text)));
    }

    fn statistics(&mut self, statistics: Option<&Statistics>) {
        if let Some(statistics) = statistics {
            self.words(statistics.names());
        }
    }

    /// Names and ids of programs: nothing that is said in sentences fits in there.
    fn words<'b>(&mut self, words: impl IntoIterator<Item = &'b str>) {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/\"+=$:~".contains(&byte);
        self.is_sound &= words.into_iter().all(|word| word.len() <= KEY && word.bytes().all(is_part));
    }
}

/// Scrubs a file that is what its key says; none where it is not.
pub(super) fn scrub(
    control: Control,
    file: &[u8],
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<Option<Vec<u8>>, FormatError> {
    let Some(content) = std::str::from_utf8(file).ok().and_then(|json| Content::of(control, json)) else {
        return Ok(None);
    };
    // They are pieces of the file, each another one.
    let place = |json: &str| {
        let start = json.as_ptr() as usize - file.as_ptr() as usize;
        start..start + json.len()
    };
    let texts = content.texts.into_iter().map(|(name, json)| {
        let text: Cow<'_, str> = serde_json::from_str(json.get()).ok()?;
        Some((place(json.get()), name, text))
    });
    let Some(mut texts) = texts.collect::<Option<Vec<_>>>() else { return Ok(None) };
    texts.sort_by_key(|(place, ..)| place.start);
    let found = |summary: &Summary| summary.findings.values().sum::<u64>();
    let (mut out, mut done) = (Vec::with_capacity(file.len()), 0);
    let mut treated: Vec<Range<usize>> = Vec::new();
    for (place, name, text) in texts {
        let before = found(summary);
        let changed = texts::text(&name, text.as_bytes(), work, summary);
        let changed = changed.map_err(|fault| fault.told("json", work.on_unknown))?;
        if found(summary) > before {
            treated.push(place.clone());
        }
        let Some(changed) = changed else { continue };
        out.extend_from_slice(&file[done..place.start]);
        let written = serde_json::to_vec(&*String::from_utf8_lossy(&changed));
        out.extend(written.map_err(|e| FormatError::Limit(format!("a text of it cannot be written: {e}")))?);
        done = place.end;
    }
    out.extend_from_slice(&file[done..]);
    // The rest stays, whatever is found in it: names, ids, numbers, and what only its neighbours give away.
    let stays = |start: u64, end: u64| {
        let text = treated.partition_point(|text| (text.end as u64) < end);
        treated.get(text).is_none_or(|text| start < text.start as u64)
    };
    summary.unfit += work.engine.detect(file).iter().filter(|finding| stays(finding.start, finding.end)).count() as u64;
    Ok(Some(out))
}

#[cfg(test)]
mod tests;
