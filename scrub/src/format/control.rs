//! Files by which the committers of Hadoop's S3A tell each other what to do: `.pending` and `.pendingset` of the magic one, and `_SUCCESS`. They are JSON that is read
//! back: a key or an upload id that was changed in them loses the job. So only what is said for people in them is scrubbed. A file of such a name that has
//! another shape is a file as any other.
//!
//! Source: Hadoop 3.5, `org.apache.hadoop.fs.s3a.commit.files.SinglePendingCommit`, `PendingSet`, `SuccessData`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{FormatError, Summary, Work, count, rename};

/// Longer ones are files as any other: that of 5,000 uploads has some 10 MB.
pub(super) const LONGEST: usize = 16 << 20;

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

/// What is in a file: texts that are scrubbed, and names of objects, which are only looked at.
#[derive(Default)]
struct Content<'a> {
    texts: Vec<&'a RawValue>,
    names: Vec<Cow<'a, str>>,
    /// All others are words, as machines write them.
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
        // They say the same: where the object will be.
        self.is_sound &= pending.uri.starts_with("s3") && pending.uri.contains(&*pending.bucket);
        self.names.extend([pending.uri, pending.destination_key].into_iter().chain(pending.filename));
        self.texts.extend(pending.date.into_iter().chain(pending.text));
        self.map(pending.extra_data.unwrap_or_default());
    }

    fn success(&mut self, success: Success<'a>) {
        self.words([&*success.name]);
        let words = [&success.committer, &success.job_id];
        self.words(words.into_iter().flatten().map(|word| &**word));
        self.words(success.metrics.iter().flat_map(BTreeMap::keys).map(String::as_str));
        self.statistics(success.statistics.as_ref());
        let texts = [success.date, success.hostname, success.description, success.job_id_source, success.state];
        self.texts.extend(success.stage);
        self.texts.extend(texts.into_iter().flatten().chain(success.filenames.into_iter().flatten()));
        self.map(success.diagnostics.unwrap_or_default());
    }

    fn map(&mut self, Texts(map): Texts<'a>) {
        self.words(map.keys().map(String::as_str));
        self.texts.extend(map.into_values());
    }

    fn statistics(&mut self, statistics: Option<&Statistics>) {
        if let Some(statistics) = statistics {
            self.words(statistics.names());
        }
    }

    /// Names and ids of programs: nothing that is said in sentences fits in there.
    fn words<'b>(&mut self, words: impl IntoIterator<Item = &'b str>) {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/\"+=$:~".contains(&byte);
        self.is_sound &= words.into_iter().all(|word| word.len() <= 1024 && word.bytes().all(is_part));
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
    let texts = content.texts.into_iter().map(RawValue::get);
    let texts: Option<Vec<(&str, Cow<'_, str>)>> =
        texts.map(|json| Some((json, serde_json::from_str(json).ok()?))).collect();
    let Some(mut texts) = texts else { return Ok(None) };
    let mut names = Summary::default();
    for name in &content.names {
        count(&work.engine, &work.engine.detect(name.as_bytes()), &mut names);
    }
    summary.unfit += names.findings.values().sum::<u64>();
    // They are pieces of the file, each another one.
    let place = |text: &str| text.as_ptr() as usize - file.as_ptr() as usize;
    texts.sort_by_key(|(json, _)| place(json));
    let (mut out, mut done) = (Vec::with_capacity(file.len()), 0);
    for (json, text) in texts {
        let changed = rename(text.as_bytes(), None, work, summary)?;
        if changed == text.as_bytes() {
            continue;
        }
        out.extend_from_slice(&file[done..place(json)]);
        let written = serde_json::to_vec(&*String::from_utf8_lossy(&changed));
        out.extend(written.map_err(|e| FormatError::Limit(format!("a text of it cannot be written: {e}")))?);
        done = place(json) + json.len();
    }
    out.extend_from_slice(&file[done..]);
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::Strategy;
    use crate::format::scrub_as;
    use crate::format::tests::{engine, job};

    const PENDING: &str = r#"{"version":2,"filename":null,"uri":"s3a://data/t/EMP-004711/part-0.parquet","uploadId":"ZDg5MjljYjgt_x.y","bucket":"data","destinationKey":"t/EMP-004711/part-0.parquet","created":1796012287625,"saved":1796012287625,"date":"Mon Nov 30 04:18:07 UTC 2026","jobId":"c265a116-7b9f","taskId":"attempt_2026_0000_m_000000_0","text":"by EMP-004711 \"x\"","etags":[{"etag":"\"40c4e345\"","checksumAlgorithm":null,"checksum":null}],"extraData":{"note":"EMP-004712"},"length":9054,"iostatistics":{"counters":{"op_create":1},"gauges":{},"minimums":{},"maximums":{},"meanstatistics":{"x.mean":{"samples":1,"sum":2}}},"partCount":1}"#;

    fn run(key: &str, file: &str) -> (String, Summary) {
        let mut out = Vec::new();
        let job = job(&engine(Strategy::Label));
        let summary = scrub_as(&mut file.as_bytes(), &mut out, &job, Control::of(key)).unwrap();
        (String::from_utf8(out).unwrap(), summary)
    }

    #[test]
    fn only_what_is_said_for_people_is_changed() {
        let clean = PENDING.replace("by EMP-004711", "by <BADGE>").replace("EMP-004712", "<BADGE>");
        let (out, summary) = run("t/__magic_job-1/x.pending", PENDING);
        assert_eq!(out, clean);
        assert_eq!((summary.findings["BADGE"], summary.unfit), (2, 2));
        let set = |of: &str| {
            format!(r#"{{"version": 3, "jobId": "c265a116-7b9f", "commits": [{of}, {of}], "iostatistics": null}}"#)
        };
        assert_eq!(run("t/__magic/x.pendingset", &set(PENDING)).0, set(&clean));
        let success = r#"{"name":"org.apache.hadoop.fs.s3a.commit.files.SuccessData/1","success":true,"timestamp":1,"date":"d","hostname":"EMP-004711","committer":"magic","description":"d","jobId":"j","jobIdSource":"Generated Locally","metrics":{"files":1},"diagnostics":{"fs.s3a.threads":"of EMP-004711"},"filenames":["/t/EMP-004711.parquet"],"state":null,"stage":null}"#;
        assert_eq!(run("t/_SUCCESS", success).0, success.replace("EMP-004711", "<BADGE>"));
        assert_eq!(run("t/_SUCCESS", "").0, "");
    }

    #[test]
    fn a_file_of_another_shape_is_one_as_any_other() {
        let hidden = [
            PENDING.replace("\"version\":2", "\"version\":2,\"more\":\"EMP-004711\""),
            PENDING.replace("ZDg5MjljYjgt_x.y", "of EMP-004711"),
            PENDING.replace("\"version\":2", "\"version\":\"2\""),
            PENDING.replace("s3a://data", "told by"),
            PENDING.replace("{\"note\":\"EMP-004712\"}", "{\"note\":[\"EMP-004712\"]}"),
            // Said twice, only the last of which a map would hold.
            PENDING.replace("{\"note\":\"EMP-004712\"}", "{\"note\":\"EMP-004712\",\"note\":\"x\"}"),
        ];
        for file in hidden {
            assert!(!run("t/__magic/x.pending", &file).0.contains("EMP-"), "{file}");
        }
        assert!(!run("t/x.pending", PENDING).0.contains("EMP-"));
        assert!(!run("t/__magic/x.json", PENDING).0.contains("EMP-"));
    }
}
