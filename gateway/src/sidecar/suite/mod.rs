//! The test suite that every [`Sidecar`] passes. [`over`] makes a test of each function here.

mod samples;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use keys::Oid;
use keys::object::{Facts, PartEntry};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::samples::{any_record, attempt, bad_record, edge, listed, multipart, upload};
pub(crate) use self::samples::{at, facts, intent, large_record, record};
use super::{Claim, Completion, CopiedFrom, ObjectAt, ObjectRecord, PartAttempt, Sidecar, TokenRow};

/// Runs the suite. `$open`: an async function that gives an empty `Arc<dyn Sidecar>` and whatever must outlive it.
macro_rules! over {
    ($open:path) => {
        $crate::sidecar::suite::over!($open;
            a_record_is_read_back_replaced_and_forgotten,
            several_are_forgotten_at_once,
            without_a_version_the_last_one_recorded_answers,
            the_null_version_answers_under_both_its_names,
            intents_are_listed_oldest_first_until_settled,
            the_id_of_a_dropped_intent_is_not_used_again,
            a_record_that_nobody_waits_for_is_seen_by_who_comes_after,
            a_refused_record_changes_nothing,
            a_refused_write_does_not_fail_its_neighbours,
            a_refused_part_does_not_fail_the_writes_around_it,
            queued_writes_take_effect_in_order,
            racing_records_of_one_key_leave_one,
            a_listing_is_answered_in_order,
            a_listing_without_versions_matches_on_etag,
            a_listing_takes_any_key,
            a_listing_of_nothing_is_nothing,
            lengths_are_those_of_one_bucket,
            objects_are_found_by_their_id,
            a_write_under_way_is_known_by_its_id,
            lineage_is_newest_first,
            uploads_are_found_by_backend_id,
            stale_uploads_are_oldest_first,
            every_attempt_at_a_part_is_kept,
            an_ended_upload_leaves_nothing,
            the_answer_to_a_complete_is_kept,
            one_holder_has_a_lease,
            a_lease_that_lapsed_goes_to_the_next,
            of_many_that_want_a_lease_one_gets_it,
            keks_are_kept_by_bucket,
            tokens_are_kept_by_bucket_and_never_taken_by_another_value,
            racing_tokens_go_to_one_value,
            the_last_change_of_policies_is_kept,
            it_answers_a_ping,
        );
        #[test]
        fn records_round_trip() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let (sidecar, _keep) = runtime.block_on($open());
            $crate::sidecar::suite::records_round_trip(&runtime, &*sidecar);
        }
    };
    ($open:path; $($test:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $test() {
            let (sidecar, _keep) = $open().await;
            $crate::sidecar::suite::$test(sidecar).await;
        }
    )*};
}
pub(crate) use over;

pub(crate) async fn a_record_is_read_back_replaced_and_forgotten(sidecar: Arc<dyn Sidecar>) {
    let name = at("a/b c.jsonl", None);
    assert_eq!(sidecar.object(&name).await.unwrap(), None);
    let first = record(name.clone(), "etag-1");
    sidecar.record(None, first.clone(), vec![]).await.unwrap();
    assert_eq!(sidecar.object(&name).await.unwrap(), Some(first));
    let second = ObjectRecord { principal: None, client: None, ..record(name.clone(), "etag-2") };
    sidecar.record(None, second.clone(), vec![]).await.unwrap();
    assert_eq!(sidecar.object(&name).await.unwrap(), Some(second));

    let elsewhere = ObjectAt { bucket: "other".into(), ..name.clone() };
    assert_eq!(sidecar.object(&elsewhere).await.unwrap(), None);
    sidecar.forget(&elsewhere).await.unwrap();
    assert!(sidecar.object(&name).await.unwrap().is_some());
    sidecar.forget(&name).await.unwrap();
    assert_eq!(sidecar.object(&name).await.unwrap(), None);
}

pub(crate) async fn several_are_forgotten_at_once(sidecar: Arc<dyn Sidecar>) {
    for key in ["a", "b", "c"] {
        let record = record(at(key, Some("v1")), key);
        sidecar.record(None, record, vec![]).await.unwrap();
    }
    let gone = vec![at("a", Some("v1")), at("b", Some("v2")), at("c", Some("v1"))];
    sidecar.forget_all(gone).await.unwrap();
    let mut left = Vec::new();
    for key in ["a", "b", "c"] {
        left.push(sidecar.object(&at(key, None)).await.unwrap().is_some());
    }
    assert_eq!(left, [false, true, false], "only the version named goes");
}

pub(crate) async fn without_a_version_the_last_one_recorded_answers(sidecar: Arc<dyn Sidecar>) {
    for version in ["v2", "v3", "v1"] {
        let record = record(at("k", Some(version)), version);
        sidecar.record(None, record, vec![]).await.unwrap();
    }
    let last = sidecar.object(&at("k", None)).await.unwrap().unwrap();
    assert_eq!(last.backend_etag, "v1");
    let again = record(at("k", Some("v2")), "v2 again");
    sidecar.record(None, again.clone(), vec![]).await.unwrap();
    assert_eq!(sidecar.object(&at("k", None)).await.unwrap(), Some(again));
    let exact = sidecar.object(&at("k", Some("v3"))).await.unwrap().unwrap();
    assert_eq!(exact.backend_etag, "v3");
    assert_eq!(sidecar.object(&at("k", Some("v4"))).await.unwrap(), None);
}

/// What was written while a bucket was unversioned is its `null` version afterwards.
pub(crate) async fn the_null_version_answers_under_both_its_names(sidecar: Arc<dyn Sidecar>) {
    let unversioned = record(at("k", None), "etag");
    sidecar.record(None, unversioned.clone(), vec![]).await.unwrap();
    let null = at("k", Some("null"));
    assert_eq!(sidecar.object(&null).await.unwrap(), Some(unversioned));
    let rows = [listed("k", Some("null"), "etag"), listed("k", Some("null"), "older")];
    let answers = sidecar.listed("corpus", &rows).await.unwrap();
    assert_eq!(answers, [Some(facts(42)), None]);
    sidecar.forget(&null).await.unwrap();
    assert_eq!(sidecar.object(&at("k", None)).await.unwrap(), None);
}

pub(crate) async fn intents_are_listed_oldest_first_until_settled(sidecar: Arc<dyn Sidecar>) {
    let late = sidecar.begin(intent("late", 300)).await.unwrap();
    let early = sidecar.begin(intent("early", 100)).await.unwrap();
    let middle = sidecar.begin(intent("middle", 200)).await.unwrap();
    let stale = sidecar.stale_intents(300, 10).await.unwrap();
    assert_eq!(stale, [(early, intent("early", 100)), (middle, intent("middle", 200))]);
    assert_eq!(sidecar.stale_intents(1000, 1).await.unwrap(), stale[..1]);

    sidecar.abandon(early).await.unwrap();
    sidecar.record(Some(middle), record(at("middle", None), "etag"), vec![]).await.unwrap();
    let left = sidecar.stale_intents(i64::MAX, 10).await.unwrap();
    assert_eq!(left, [(late, intent("late", 300))]);
    // Two settle one intent: a request that outlived the settler's patience, and the settler.
    sidecar.abandon(early).await.unwrap();
}

pub(crate) async fn the_id_of_a_dropped_intent_is_not_used_again(sidecar: Arc<dyn Sidecar>) {
    let first = sidecar.begin(intent("k", 1)).await.unwrap();
    sidecar.abandon(first).await.unwrap();
    let second = sidecar.begin(intent("k", 2)).await.unwrap();
    assert_ne!(first, second);
}

pub(crate) async fn a_record_that_nobody_waits_for_is_seen_by_who_comes_after(sidecar: Arc<dyn Sidecar>) {
    for round in 0..20 {
        let id = sidecar.begin(intent("k", round)).await.unwrap();
        let written = Arc::new(record(at("k", None), &format!("etag-{round}")));
        sidecar.record_later(id, written.clone()).await.unwrap();
        match round % 4 {
            0 => assert_eq!(sidecar.object(&written.at).await.unwrap().as_ref(), Some(&*written)),
            1 => {
                let rows = [listed("k", None, &written.backend_etag)];
                assert!(sidecar.listed(&written.at.bucket, &rows).await.unwrap()[0].is_some());
            }
            2 => assert_eq!(sidecar.stale_intents(99, 9).await.unwrap(), []),
            // What is forgotten after it was recorded stays forgotten.
            _ => {
                sidecar.forget(&written.at).await.unwrap();
                assert_eq!(sidecar.object(&written.at).await.unwrap(), None);
            }
        }
    }
}

pub(crate) async fn a_refused_record_changes_nothing(sidecar: Arc<dyn Sidecar>) {
    let name = at("k", None);
    let id = sidecar.begin(intent("k", 1)).await.unwrap();
    let lineage = vec![edge(name.clone(), "source", 1)];
    assert!(sidecar.record(Some(id), bad_record(name.clone()), lineage).await.is_err());
    assert_eq!(sidecar.stale_intents(2, 10).await.unwrap(), [(id, intent("k", 1))]);
    assert_eq!(sidecar.object(&name).await.unwrap(), None);
    assert_eq!(sidecar.lineage(&name, 10).await.unwrap(), []);
}

pub(crate) async fn a_refused_write_does_not_fail_its_neighbours(sidecar: Arc<dyn Sidecar>) {
    let outcomes = join_all((0..200).map(|i| {
        let name = at(&format!("k{i}"), None);
        let record = if i % 7 == 0 { bad_record(name) } else { record(name, "etag") };
        sidecar.record(None, record, vec![])
    }))
    .await;
    for (i, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), i % 7 == 0, "write {i}: {outcome:?}");
        let there = sidecar.object(&at(&format!("k{i}"), None)).await.unwrap();
        assert_eq!(there.is_none(), i % 7 == 0, "object {i}");
    }
}

/// Writes of every kind in one go, one of them bad.
pub(crate) async fn a_refused_part_does_not_fail_the_writes_around_it(sidecar: Arc<dyn Sidecar>) {
    let name = at("k", None);
    let lineage = vec![edge(name.clone(), "source", 1)];
    let (first, part, bad, recorded, second) = tokio::join!(
        sidecar.begin(intent("first", 1)),
        sidecar.part_attempt(attempt(1, 1, "one", 1)),
        sidecar.part_attempt(attempt(1, 0, "no such part", 1)),
        sidecar.record(None, record(name.clone(), "etag"), lineage.clone()),
        sidecar.begin(intent("second", 2)),
    );
    assert!(bad.is_err());
    part.unwrap();
    recorded.unwrap();
    let begun = [(first.unwrap(), intent("first", 1)), (second.unwrap(), intent("second", 2))];
    assert_eq!(sidecar.stale_intents(9, 9).await.unwrap(), begun);
    assert_eq!(sidecar.parts(Oid([1; 16])).await.unwrap(), [attempt(1, 1, "one", 1)]);
    assert_eq!(sidecar.object(&name).await.unwrap(), Some(record(name.clone(), "etag")));
    assert_eq!(sidecar.lineage(&name, 9).await.unwrap(), lineage);
}

/// `join` polls in order, so all of these wait before the first is answered.
pub(crate) async fn queued_writes_take_effect_in_order(sidecar: Arc<dyn Sidecar>) {
    let [gone, kept] = ["gone", "kept"].map(|key| at(key, None));
    let (one, two, three, four, five) = tokio::join!(
        sidecar.record(None, record(gone.clone(), "1"), vec![]),
        sidecar.forget(&gone),
        sidecar.record(None, record(kept.clone(), "1"), vec![]),
        sidecar.forget(&kept),
        sidecar.record(None, record(kept.clone(), "2"), vec![]),
    );
    for outcome in [one, two, three, four, five] {
        outcome.unwrap();
    }
    assert_eq!(sidecar.object(&gone).await.unwrap(), None);
    assert_eq!(sidecar.object(&kept).await.unwrap(), Some(record(kept, "2")));
}

pub(crate) async fn racing_records_of_one_key_leave_one(sidecar: Arc<dyn Sidecar>) {
    let writes = (0..50).map(|i| sidecar.record(None, record(at("k", None), &format!("etag-{i}")), vec![]));
    for outcome in join_all(writes).await {
        outcome.unwrap();
    }
    let etags: Vec<_> = (0..50).map(|i| format!("etag-{i}")).collect();
    let rows: Vec<_> = etags.iter().map(|etag| listed("k", None, etag)).collect();
    let answers = sidecar.listed("corpus", &rows).await.unwrap();
    assert_eq!(answers.iter().flatten().count(), 1);
}

pub(crate) async fn a_listing_is_answered_in_order(sidecar: Arc<dyn Sidecar>) {
    let two_parts = |length| multipart([1, 2].map(|n| PartEntry { length, ..attempt(1, n, "", 0).entry }).into());
    let mut records = Vec::new();
    for i in 0..1000_u64 {
        if i % 3 == 0 {
            continue;
        }
        let mut record = record(at(&format!("k{i:04}"), None), &format!("etag-{i}"));
        record.facts = two_parts(i);
        records.push(record);
    }
    for outcome in join_all(records.into_iter().map(|record| sidecar.record(None, record, vec![]))).await {
        outcome.unwrap();
    }
    let names = |i| (format!("k{i:04}"), format!("etag-{}", if i % 5 == 0 { 0 } else { i }));
    let names: Vec<_> = (0..1000).rev().map(names).collect();
    let rows: Vec<_> = names.iter().map(|(key, etag)| listed(key, None, etag)).collect();
    let answers = sidecar.listed("corpus", &rows).await.unwrap();
    assert_eq!(answers.len(), 1000);
    for (answer, i) in answers.iter().zip((0..1000).rev()) {
        let expected = (i % 3 != 0 && i % 5 != 0).then(|| Facts { parts: vec![], ..two_parts(i) });
        assert_eq!(*answer, expected, "row {i}: stale, missing or without its table");
    }
    assert_eq!(sidecar.listed("other", &rows).await.unwrap(), vec![None; 1000]);
}

pub(crate) async fn a_listing_without_versions_matches_on_etag(sidecar: Arc<dyn Sidecar>) {
    for (version, length) in [("v1", 1), ("v2", 2), ("v3", 3)] {
        let mut record = record(at("k", Some(version)), &format!("etag-{version}"));
        record.facts = facts(length);
        sidecar.record(None, record, vec![]).await.unwrap();
    }
    let rows = [
        listed("k", None, "etag-v2"),
        listed("k", Some("v3"), "etag-v3"),
        listed("k", Some("v3"), "etag-v1"),
        listed("k", Some("null"), "etag-v1"),
        listed("k", None, "etag-v2"),
        listed("k", None, ""),
    ];
    let answers = sidecar.listed("corpus", &rows).await.unwrap();
    let lengths: Vec<_> = answers.iter().map(|a| a.as_ref().map(|f| f.length)).collect();
    assert_eq!(lengths, [Some(2), Some(3), None, None, Some(2), None]);
}

pub(crate) async fn a_listing_takes_any_key(sidecar: Arc<dyn Sidecar>) {
    let keys = [
        "it's \"quoted\" \\ back",
        "line\nbreak\ttab\u{1}",
        "日本語/🦀",
        "%_*?[a]",
        "123",
        "null",
        "{\"a\":1}",
        " ",
        "a\u{0}b",
    ];
    for (i, key) in keys.iter().enumerate() {
        let mut record = record(at(key, None), "same");
        record.facts = facts(i as u64);
        sidecar.record(None, record, vec![]).await.unwrap();
    }
    let rows = keys.map(|key| listed(key, None, "same"));
    let answers = sidecar.listed("corpus", &rows).await.unwrap();
    for (i, (key, answer)) in keys.iter().zip(answers).enumerate() {
        assert_eq!(answer, Some(facts(i as u64)), "{key:?}");
        let found = sidecar.object(&at(key, None)).await.unwrap().unwrap();
        assert_eq!(found.at.key, *key);
    }
}

pub(crate) async fn a_listing_of_nothing_is_nothing(sidecar: Arc<dyn Sidecar>) {
    assert_eq!(sidecar.listed("corpus", &[]).await.unwrap(), []);
    assert_eq!(sidecar.uploads("corpus", &[]).await.unwrap(), []);
}

pub(crate) async fn lengths_are_those_of_one_bucket(sidecar: Arc<dyn Sidecar>) {
    assert_eq!(sidecar.lengths("bucket", 10).await.unwrap(), Vec::<u64>::new());
    let lengths = [0, 3, 0x0100_0000_00ff, 3];
    for (key, length) in ["a", "b", "c", "d"].into_iter().zip(lengths) {
        let mut one = record(at(key, None), "e1");
        one.at.bucket = "bucket".into();
        one.facts.length = length;
        sidecar.record(None, one.clone(), Vec::new()).await.unwrap();
        one.at.bucket = "other".into();
        one.facts.length = 77;
        sidecar.record(None, one, Vec::new()).await.unwrap();
    }
    let mut found = sidecar.lengths("bucket", 10).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, [0, 3, 3, 0x0100_0000_00ff]);
    assert_eq!(sidecar.lengths("other", 2).await.unwrap(), [77, 77]);
}

/// A copy by the backend has the id of its source.
pub(crate) async fn objects_are_found_by_their_id(sidecar: Arc<dyn Sidecar>) {
    let of = |at: ObjectAt, oid: u8| ObjectRecord { oid: Oid([oid; 16]), ..record(at, "etag") };
    for (name, oid) in [(at("a", None), 7), (at("b", Some("v1")), 7), (at("b", Some("v2")), 8)] {
        sidecar.record(None, of(name, oid), vec![]).await.unwrap();
    }
    let elsewhere = ObjectAt { bucket: "other".into(), ..at("a", None) };
    sidecar.record(None, of(elsewhere.clone(), 7), vec![]).await.unwrap();
    let mut found = sidecar.with_oid("corpus", Oid([7; 16]), 9).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, [at("a", None), at("b", Some("v1"))]);
    assert_eq!(sidecar.with_oid("corpus", Oid([7; 16]), 1).await.unwrap().len(), 1);
    assert_eq!(sidecar.with_oid("other", Oid([7; 16]), 9).await.unwrap(), [elsewhere]);
    // Overwritten, and deleted.
    sidecar.record(None, of(at("a", None), 9), vec![]).await.unwrap();
    sidecar.forget(&at("b", Some("v1"))).await.unwrap();
    assert_eq!(sidecar.with_oid("corpus", Oid([7; 16]), 9).await.unwrap(), []);
    assert_eq!(sidecar.with_oid("corpus", Oid([9; 16]), 9).await.unwrap(), [at("a", None)]);
}

pub(crate) async fn a_write_under_way_is_known_by_its_id(sidecar: Arc<dyn Sidecar>) {
    let begun = sidecar.begin(intent("k", 1)).await.unwrap();
    sidecar.upload_started(upload(1, "id-1", 1)).await.unwrap();
    sidecar.part_attempt(attempt(2, 1, "of an upload that is not known", 1)).await.unwrap();
    for (oid, expected) in [(9, true), (1, true), (2, true), (3, false)] {
        assert_eq!(sidecar.is_under_way(Oid([oid; 16])).await.unwrap(), expected, "{oid}");
    }
    sidecar.abandon(begun).await.unwrap();
    sidecar.upload_ended(Oid([1; 16])).await.unwrap();
    sidecar.upload_ended(Oid([2; 16])).await.unwrap();
    for oid in [9, 1, 2] {
        assert!(!sidecar.is_under_way(Oid([oid; 16])).await.unwrap(), "{oid}");
    }
}

pub(crate) async fn lineage_is_newest_first(sidecar: Arc<dyn Sidecar>) {
    let v1 = at("copy", Some("v1"));
    let v2 = at("copy", Some("v2"));
    let first = vec![edge(v1.clone(), "a", 10), edge(v1.clone(), "b", 10)];
    sidecar.record(None, record(v1.clone(), "1"), first.clone()).await.unwrap();
    let second = edge(v2.clone(), "c", 20);
    sidecar.record(None, record(v2.clone(), "2"), vec![second.clone()]).await.unwrap();

    let [a, b] = <[_; 2]>::try_from(first).unwrap();
    let all = [second.clone(), b.clone(), a.clone()];
    assert_eq!(sidecar.lineage(&at("copy", None), 10).await.unwrap(), all);
    assert_eq!(sidecar.lineage(&at("copy", None), 2).await.unwrap(), all[..2]);
    assert_eq!(sidecar.lineage(&v1, 10).await.unwrap(), [b, a]);
    sidecar.forget(&v2).await.unwrap();
    assert_eq!(sidecar.lineage(&v2, 10).await.unwrap(), [second], "lineage outlives its object");
    assert_eq!(sidecar.lineage(&at("a", None), 10).await.unwrap(), []);
}

pub(crate) async fn uploads_are_found_by_backend_id(sidecar: Arc<dyn Sidecar>) {
    sidecar.upload_started(upload(1, "id-1", 1)).await.unwrap();
    sidecar.upload_started(upload(2, "id-2", 2)).await.unwrap();
    let ids = ["id-2", "unknown", "id-1", "id-2"].map(String::from);
    let found = sidecar.uploads("corpus", &ids).await.unwrap();
    assert_eq!(found, [Some(upload(2, "id-2", 2)), None, Some(upload(1, "id-1", 1)), Some(upload(2, "id-2", 2))]);
    assert_eq!(sidecar.uploads("other", &ids).await.unwrap(), vec![None; 4]);
}

pub(crate) async fn stale_uploads_are_oldest_first(sidecar: Arc<dyn Sidecar>) {
    for (oid, started) in [(1, 30), (2, 10), (3, 20)] {
        sidecar.upload_started(upload(oid, &format!("id-{oid}"), started)).await.unwrap();
    }
    let stale = sidecar.stale_uploads(30, 10).await.unwrap();
    assert_eq!(stale, [upload(2, "id-2", 10), upload(3, "id-3", 20)]);
    assert_eq!(sidecar.stale_uploads(i64::MAX, 1).await.unwrap(), stale[..1]);
}

/// A client that retries part 7 while its first try still runs leaves two.
pub(crate) async fn every_attempt_at_a_part_is_kept(sidecar: Arc<dyn Sidecar>) {
    let part_10000 = attempt(1, 10_000, "stashed", 1);
    let retried = attempt(1, 7, "second", 20);
    let hedged = attempt(1, 7, "first", 10);
    let same_time = attempt(1, 7, "also second", 20);
    let source = |version_id| CopiedFrom {
        at: ObjectAt { bucket: "source".into(), key: "a \"quoted\" kéy".into(), version_id },
        etag: "etag".into(),
    };
    let part_1 = PartAttempt { copied_from: Some(source(None)), ..attempt(1, 1, "one", 30) };
    let part_2 = PartAttempt { copied_from: Some(source(Some("null".into()))), ..attempt(1, 2, "two", 30) };
    for part in [&part_10000, &retried, &hedged, &same_time, &part_1, &part_2] {
        sidecar.part_attempt(part.clone()).await.unwrap();
    }
    sidecar.part_attempt(attempt(2, 1, "another upload", 1)).await.unwrap();
    let all = [part_1, part_2, hedged, retried, same_time, part_10000];
    assert_eq!(sidecar.parts(Oid([1; 16])).await.unwrap(), all);
    // Recorded again, as after an answer that was lost: still one attempt.
    sidecar.part_attempt(all[0].clone()).await.unwrap();
    assert_eq!(sidecar.parts(Oid([1; 16])).await.unwrap(), all);
    assert!(sidecar.part_attempt(attempt(1, 0, "no such part", 1)).await.is_err());
}

pub(crate) async fn an_ended_upload_leaves_nothing(sidecar: Arc<dyn Sidecar>) {
    for oid in [1, 2] {
        sidecar.upload_started(upload(oid, &format!("id-{oid}"), 1)).await.unwrap();
        sidecar.part_attempt(attempt(oid, 1, "one", 1)).await.unwrap();
    }
    sidecar.upload_ended(Oid([1; 16])).await.unwrap();
    assert_eq!(sidecar.parts(Oid([1; 16])).await.unwrap(), []);
    assert_eq!(sidecar.parts(Oid([2; 16])).await.unwrap(), [attempt(2, 1, "one", 1)]);
    assert_eq!(sidecar.stale_uploads(9, 9).await.unwrap(), [upload(2, "id-2", 1)]);
    sidecar.upload_ended(Oid([1; 16])).await.unwrap();
}

pub(crate) async fn the_answer_to_a_complete_is_kept(sidecar: Arc<dyn Sidecar>) {
    let oid = Oid([1; 16]);
    sidecar.upload_started(upload(1, "id-1", 1)).await.unwrap();
    sidecar.part_attempt(attempt(1, 1, "one", 1)).await.unwrap();
    assert_eq!(sidecar.completion(oid, 0).await.unwrap(), None);
    let answer = Completion {
        at_ms: 100,
        headers: vec![("x-amz-version-id".into(), "v \"1\"".into()), ("x-data-vault-findings".into(), String::new())],
        body: Bytes::from_static(b"<done>k\xc3\xa9y</done>"),
    };
    sidecar.upload_completed(oid, answer.clone()).await.unwrap();
    assert_eq!(sidecar.parts(oid).await.unwrap(), [], "the upload has ended with it");
    assert!(!sidecar.is_under_way(oid).await.unwrap());
    assert_eq!(sidecar.completion(oid, 100).await.unwrap(), Some(answer));
    assert_eq!(sidecar.completion(oid, 101).await.unwrap(), None, "it is too old");
    assert_eq!(sidecar.completion(Oid([2; 16]), 0).await.unwrap(), None);
}

fn claim(holder: u8, until_ms: i64) -> Claim {
    Claim { name: "upload".into(), holder: [holder; 16], until_ms }
}

pub(crate) async fn one_holder_has_a_lease(sidecar: Arc<dyn Sidecar>) {
    assert!(sidecar.take_lease(claim(1, 100), 0).await.unwrap());
    assert!(!sidecar.take_lease(claim(2, 200), 100).await.unwrap(), "it lasts until then");
    assert!(!sidecar.renew_lease(claim(2, 200)).await.unwrap());
    let other = Claim { name: "another".into(), ..claim(2, 200) };
    assert!(sidecar.take_lease(other, 0).await.unwrap());
    sidecar.release_lease(claim(2, 0)).await.unwrap();
    assert!(!sidecar.take_lease(claim(2, 200), 100).await.unwrap(), "only its holder gives it back");
    assert!(sidecar.renew_lease(claim(1, 150)).await.unwrap());
    assert!(!sidecar.take_lease(claim(2, 200), 101).await.unwrap());
    sidecar.release_lease(claim(1, 0)).await.unwrap();
    assert!(!sidecar.renew_lease(claim(1, 300)).await.unwrap(), "it is gone");
    assert!(sidecar.take_lease(claim(2, 200), 101).await.unwrap());
}

/// Its holder was killed, or slept; that one must not think that it has it still.
pub(crate) async fn a_lease_that_lapsed_goes_to_the_next(sidecar: Arc<dyn Sidecar>) {
    assert!(sidecar.take_lease(claim(1, 100), 0).await.unwrap());
    assert!(sidecar.renew_lease(claim(1, 110)).await.unwrap(), "late, but nobody took it");
    assert!(sidecar.take_lease(claim(2, 200), 111).await.unwrap());
    assert!(!sidecar.renew_lease(claim(1, 300)).await.unwrap());
    sidecar.release_lease(claim(1, 0)).await.unwrap();
    assert!(sidecar.renew_lease(claim(2, 300)).await.unwrap());
}

pub(crate) async fn of_many_that_want_a_lease_one_gets_it(sidecar: Arc<dyn Sidecar>) {
    let taken = join_all((0..50).map(|holder| sidecar.take_lease(claim(holder, 100), 0))).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
}

pub(crate) async fn keks_are_kept_by_bucket(sidecar: Arc<dyn Sidecar>) {
    let [one, two] = [1, 2].map(|i| uuid::Uuid::from_bytes([i; 16]));
    let document = |text: &'static str| Bytes::from_static(text.as_bytes());
    sidecar.keep_kek("corpus", two, document("two")).await.unwrap();
    sidecar.keep_kek("corpus", one, document("one")).await.unwrap();
    sidecar.keep_kek("other", one, document("else")).await.unwrap();
    // Rotating the root key wraps it anew.
    sidecar.keep_kek("corpus", two, document("two, wrapped anew")).await.unwrap();
    assert_eq!(sidecar.kek("corpus", one).await.unwrap(), Some(document("one")));
    assert_eq!(sidecar.kek("other", two).await.unwrap(), None);
    let all = sidecar.keks("corpus").await.unwrap();
    assert_eq!(all, [(one, document("one")), (two, document("two, wrapped anew"))]);
    assert_eq!(sidecar.keks("nowhere").await.unwrap(), []);
    assert_eq!(sidecar.some_keks(1).await.unwrap().len(), 1);
}

pub(crate) async fn tokens_are_kept_by_bucket_and_never_taken_by_another_value(sidecar: Arc<dyn Sidecar>) {
    let row = |token: &str, tag: u8| TokenRow { token: token.to_owned(), tag: [tag; 16] };
    let [one, two, three] = [1, 2, 3].map(|i| Oid([i; 16]));
    assert_eq!(sidecar.token("corpus", "<A:v1_a>").await.unwrap(), None);
    assert_eq!(sidecar.last_token_batch("corpus").await.unwrap(), None);
    assert!(sidecar.keep_tokens("corpus", one, vec![row("<A:v1_a>", 1), row("<A:v1_\"b", 2)]).await.unwrap());
    assert_eq!(sidecar.token("corpus", "<A:v1_a>").await.unwrap(), Some(([1; 16], Some(one))));
    assert_eq!(sidecar.token("corpus", "<A:v1_\"b").await.unwrap(), Some(([2; 16], Some(one))));
    assert_eq!(sidecar.token("other", "<A:v1_a>").await.unwrap(), None);

    // The same value stays where it is; another one takes nothing, and nothing of its batch is kept.
    assert!(sidecar.keep_tokens("corpus", two, vec![row("<A:v1_a>", 1), row("<A:v1_c>", 3)]).await.unwrap());
    assert!(!sidecar.keep_tokens("corpus", three, vec![row("<A:v1_a>", 9), row("<A:v1_d>", 4)]).await.unwrap());
    assert_eq!(sidecar.token("corpus", "<A:v1_a>").await.unwrap(), Some(([1; 16], Some(one))));
    assert_eq!(sidecar.token("corpus", "<A:v1_d>").await.unwrap(), None);
    assert!(sidecar.has_token_batch("corpus", two).await.unwrap());
    assert!(!sidecar.has_token_batch("corpus", three).await.unwrap());
    assert!(!sidecar.has_token_batch("other", two).await.unwrap());
    assert_eq!(sidecar.last_token_batch("corpus").await.unwrap(), Some(two));

    // Of a batch that was found, nobody knows which one objects were written by.
    assert_eq!(sidecar.adopt_tokens("corpus", one, vec![row("<A:v1_a>", 1)]).await.unwrap(), 0);
    let found = vec![row("<A:v1_a>", 9), row("<A:v1_c>", 3), row("<A:v1_e>", 5)];
    assert_eq!(sidecar.adopt_tokens("corpus", three, found).await.unwrap(), 1);
    assert_eq!(sidecar.token("corpus", "<A:v1_a>").await.unwrap(), Some(([0; 16], None)));
    assert_eq!(sidecar.token("corpus", "<A:v1_c>").await.unwrap(), Some(([3; 16], Some(two))));
    assert_eq!(sidecar.token("corpus", "<A:v1_e>").await.unwrap(), Some(([5; 16], Some(three))));
    assert!(!sidecar.keep_tokens("corpus", Oid([4; 16]), vec![row("<A:v1_a>", 1)]).await.unwrap());

    // All of a bucket are forgotten with its keys.
    let kek = uuid::Uuid::from_bytes([1; 16]);
    for scope in ["corpus", "corpus~tokens"] {
        sidecar.keep_kek(scope, kek, Bytes::from_static(b"kek")).await.unwrap();
    }
    assert!(sidecar.keep_tokens("other", one, vec![row("<A:v1_a>", 1)]).await.unwrap());
    sidecar.forget_tokens("corpus", "corpus~tokens").await.unwrap();
    assert_eq!(sidecar.token("corpus", "<A:v1_c>").await.unwrap(), None);
    assert_eq!(sidecar.last_token_batch("corpus").await.unwrap(), None);
    assert_eq!(sidecar.kek("corpus~tokens", kek).await.unwrap(), None);
    assert!(sidecar.kek("corpus", kek).await.unwrap().is_some());
    assert!(sidecar.token("other", "<A:v1_a>").await.unwrap().is_some());
}

pub(crate) async fn racing_tokens_go_to_one_value(sidecar: Arc<dyn Sidecar>) {
    let row = |tag| vec![TokenRow { token: "<A:v1_a>".to_owned(), tag: [tag; 16] }];
    let racing = (1..=8).map(|i| sidecar.keep_tokens("corpus", Oid([i; 16]), row(i % 4 + 1)));
    let kept: Vec<_> = join_all(racing).await.into_iter().map(Result::unwrap).collect();
    let (tag, batch) = sidecar.token("corpus", "<A:v1_a>").await.unwrap().unwrap();
    let of_it = (1..=8).map(|i| i % 4 + 1 == tag[0]);
    assert_eq!(kept, of_it.collect::<Vec<_>>());
    assert_eq!(batch.unwrap().0[0] % 4 + 1, tag[0]);
}

pub(crate) async fn the_last_change_of_policies_is_kept(sidecar: Arc<dyn Sidecar>) {
    assert_eq!(sidecar.policy_mark().await.unwrap(), None);
    sidecar.keep_policy_mark(3, [3; 32]).await.unwrap();
    sidecar.keep_policy_mark(2, [2; 32]).await.unwrap();
    sidecar.keep_policy_mark(3, [4; 32]).await.unwrap();
    assert_eq!(sidecar.policy_mark().await.unwrap(), Some((3, [3; 32])), "only a later one takes its place");
    sidecar.keep_policy_mark(4, [4; 32]).await.unwrap();
    assert_eq!(sidecar.policy_mark().await.unwrap(), Some((4, [4; 32])));
}

pub(crate) async fn it_answers_a_ping(sidecar: Arc<dyn Sidecar>) {
    sidecar.ping().await.unwrap();
}

pub(crate) fn records_round_trip(runtime: &tokio::runtime::Runtime, sidecar: &dyn Sidecar) {
    TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })
        .run(&any_record(), |record| {
            runtime.block_on(async {
                sidecar.record(None, record.clone(), vec![]).await.unwrap();
                let row = listed(&record.at.key, record.at.version_id.as_deref(), &record.backend_etag);
                let answers = sidecar.listed(&record.at.bucket, &[row]).await.unwrap();
                let without_parts = Facts { parts: vec![], ..record.facts.clone() };
                prop_assert_eq!(answers, vec![Some(without_parts)]);
                prop_assert_eq!(sidecar.object(&record.at).await.unwrap(), Some(record));
                Ok(())
            })
        })
        .unwrap();
}
