use std::sync::Arc;

use super::*;
use crate::act::Strategy;
use crate::format::scrub_as;
use crate::format::tests::{engine, job};
use crate::policy::Policy;
use crate::{Engine, builtin};

const PENDING: &str = r#"{"version":2,"filename":null,"uri":"s3a://data/t/EMP-004711/part-0.parquet","uploadId":"ZDg5MjljYjgt_x.y","bucket":"data","destinationKey":"t/EMP-004711/part-0.parquet","created":1796012287625,"saved":1796012287625,"date":"Mon Nov 30 04:18:07 UTC 2026","jobId":"c265a116-7b9f","taskId":"attempt_2026_0000_m_000000_0","text":"by EMP-004711 \"x\"","etags":[{"etag":"\"40c4e345\"","checksumAlgorithm":null,"checksum":null}],"extraData":{"note":"EMP-004712"},"length":9054,"iostatistics":{"counters":{"op_create":1},"gauges":{},"minimums":{},"maximums":{},"meanstatistics":{"x.mean":{"samples":1,"sum":2}}},"partCount":1}"#;

fn run(key: &str, file: &str) -> (String, Summary) {
    let mut out = Vec::new();
    let job = job(&engine(Strategy::Label));
    let summary = scrub_as(&mut file.as_bytes(), &mut out, &job, Control::of(key), None).unwrap();
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
        // No object has such a name.
        PENDING.replace("\"filename\":null", &format!("\"filename\":\"{}EMP-004711\"", "of ".repeat(500))),
        PENDING.replace("s3a://data/t/", &format!("s3a://data/{}", "of ".repeat(500))),
        PENDING.replace("\"t/EMP", &format!("\"{}EMP", "of ".repeat(400))),
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

/// What must stay is looked at all the same: words, names and numbers.
#[test]
fn what_stays_is_counted() {
    let clean = PENDING.replace("EMP-004711", "y").replace("EMP-004712", "z");
    assert_eq!(run("t/__magic/x.pending", &clean), (clean.clone(), Summary::default()));
    for (from, to) in [
        ("ZDg5MjljYjgt_x.y", "EMP-004713"),
        (r#"\"40c4e345\""#, "EMP-004713"),
        (r#""checksum":null"#, r#""checksum":"EMP-004713""#),
        ("c265a116-7b9f", "EMP-004713"),
        (r#""op_create":1"#, r#""op_create":47110815"#),
        (r#""op_create":1"#, r#""EMP-004713":1"#),
        (r#""created":1796012287625"#, r#""created":47110815"#),
        (r#""length":9054"#, r#""length":47110815"#),
        (r#""note""#, r#""EMP-004713""#),
    ] {
        let file = clean.replace(from, to);
        assert_ne!(file, clean);
        let (out, summary) = run("t/__magic/x.pending", &file);
        assert_eq!((out, summary.findings.len(), summary.unfit), (file, 0, 1), "{to}");
    }
    // What reaches from a name into a text is in neither alone.
    let file = clean.replace(r#""note":"z""#, r#""left":"right""#);
    assert_eq!(run("t/__magic/x.pending", &file).1.unfit, 1);
}

/// As Hadoop writes them: nothing in times, ids and sizes is taken for what people are known by, and a name says what a text is.
#[test]
fn files_of_committers_hold_nothing() {
    let uri = "s3a://data/t/year=2026/part-0.parquet";
    let upload = "2~_zrGUnk0TL4rWvJDBZnqL9vXdmyFv8h";
    let clean = PENDING
        .replace("EMP-004711", "year=2026")
        .replace("EMP-004712", "z")
        .replace("ZDg5MjljYjgt_x.y", upload)
        .replace("attempt_2026_0000", "attempt_202611300418075123456789012345678_0004");
    let success = r#"{"name":"org.apache.hadoop.fs.s3a.commit.files.SuccessData/1","success":true,"timestamp":1796012287625,"date":"Mon Nov 30 04:18:07 UTC 2026","hostname":"worker","committer":"magic","description":"Task committer attempt_202611300418075123456789012345678_0004_m_000000_0","jobId":"c265a116-7b9f-4d0e-9a55-0c9f6a3d1b22","jobIdSource":"JobID","metrics":{"stream_read_bytes":1796012287,"files_created":3},"diagnostics":{"fs.s3a.committer.threads":"32"},"filenames":["/t/year=2026/part-00000-c265a116-7b9f-4d0e-9a55-0c9f6a3d1b22-c000.snappy.parquet"],"iostatistics":{"counters":{"action_http_put_request":2,"object_put_bytes":123456789},"gauges":{},"minimums":{"op_create.min":4},"maximums":{"op_create.max":1234567890},"meanstatistics":{}}}"#;
    for preset in [None, Some("gdpr"), Some("hipaa"), Some("llm-training"), Some("pci-dss"), Some("secrets-only")] {
        let policy = preset.map_or(Policy::default(), |name| Policy::preset(name).unwrap());
        let job = job(&Arc::new(Engine::new(builtin::detectors(), &policy).unwrap()));
        for (key, file) in [("t/__magic/x.pending", &*clean), ("t/_SUCCESS", success)] {
            let summary = scrub_as(&mut file.as_bytes(), &mut Vec::new(), &job, Control::of(key), None).unwrap();
            // The name of an object is a URL where those are looked for.
            let urls = if file.contains(uri) { job.engine.detect(uri.as_bytes()).len() as u64 } else { 0 };
            assert_eq!(summary.unfit, urls, "{preset:?} {key} {summary:?}");
        }
        let file = clean.replace(r#""note":"z""#, r#""password":"hunterXq7vo2p""#);
        let mut out = Vec::new();
        scrub_as(&mut file.as_bytes(), &mut out, &job, Control::of("t/__magic/x.pending"), None).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains("hunter"), "{preset:?}");
    }
}
