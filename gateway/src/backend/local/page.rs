//! One page of a listing: prefix, delimiter, marker, bound.

use super::failure::Result;

/// Greater than every key: keys are UTF-8, which has no byte 0xFF.
const PAST_ALL: u8 = 0xFF;
/// Rows fetched at once where common prefixes make it unknown how many are needed.
const BATCH: usize = 1000;

/// What is asked for.
pub struct Query<'a> {
    /// Keys begin with this.
    pub prefix: &'a str,
    /// Keys that have this after the prefix are rolled up to it; empty for none.
    pub delimiter: &'a str,
    /// Rows and common prefixes together.
    pub limit: usize,
}

/// Where a page, or a fetch, begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this key, included.
    At(Vec<u8>),
    /// After every row of this key.
    AfterKey(Vec<u8>),
    /// After one row.
    After(Vec<u8>, i64),
}

impl Start {
    /// Key, and the greatest `seq` of it that is not wanted any more where rows are ordered newest first.
    pub fn newest_first(&self) -> (&[u8], i64) {
        match self {
            Self::At(key) => (key, i64::MAX),
            Self::AfterKey(key) => (key, i64::MIN),
            Self::After(key, seq) => (key, *seq),
        }
    }

    /// Key, and the `seq` after which it goes on where rows are ordered oldest first.
    pub fn oldest_first(&self) -> (&[u8], i64) {
        match self {
            Self::At(key) => (key, i64::MIN),
            Self::AfterKey(key) => (key, i64::MAX),
            Self::After(key, seq) => (key, *seq),
        }
    }

    fn key(&self) -> Option<&[u8]> {
        match self {
            Self::At(_) => None,
            Self::AfterKey(key) | Self::After(key, _) => Some(key),
        }
    }
}

/// A row of a listing.
pub trait Row {
    /// Its key.
    fn key(&self) -> &[u8];
    /// Orders rows of one key.
    fn seq(&self) -> i64;
}

/// The last thing on a page.
pub enum Last {
    /// A row, by its key.
    Row(Vec<u8>),
    /// A common prefix.
    Prefix(Vec<u8>),
}

/// A page.
pub struct Page<R> {
    /// In order.
    pub rows: Vec<R>,
    /// In order.
    pub prefixes: Vec<Vec<u8>>,
    /// Where there is more: the last thing on this page.
    pub last: Option<Last>,
}

/// What is listed.
pub trait Table<R> {
    /// At most `want` rows, in order, from `start` to before the key `end`.
    fn fetch(&self, start: &Start, end: &[u8], want: usize) -> impl Future<Output = Result<Vec<R>>> + Send;
}

/// Collects a page.
pub async fn collect<R: Row>(query: &Query<'_>, marker: Start, table: &impl Table<R>) -> Result<Page<R>> {
    let mut page = Page { rows: Vec::new(), prefixes: Vec::new(), last: None };
    if query.limit == 0 {
        return Ok(page);
    }
    let prefix = query.prefix.as_bytes();
    let end = past(prefix);
    let mut last = None;
    // A prefix that a page ended with, or that the marker is inside of, is not shown again.
    let seen = marker.key().map(<[u8]>::to_vec);
    let mut start = match marker {
        Start::AfterKey(key) | Start::After(key, _) if key.as_slice() < prefix => Start::At(prefix.to_vec()),
        Start::At(key) if key.as_slice() < prefix => Start::At(prefix.to_vec()),
        marker => marker,
    };
    loop {
        let room = query.limit - page.rows.len() - page.prefixes.len();
        let want = if query.delimiter.is_empty() { room + 1 } else { BATCH };
        let batch = table.fetch(&start, &end, want).await?;
        let whole = batch.len() < want;
        let mut inside: Option<Vec<u8>> = None;
        for row in batch {
            if inside.as_ref().is_some_and(|p| row.key().starts_with(p)) {
                continue;
            }
            inside = common_prefix(row.key(), prefix, query.delimiter.as_bytes());
            if let (Some(common), Some(seen)) = (&inside, &seen)
                && common <= seen
            {
                continue;
            }
            if page.rows.len() + page.prefixes.len() == query.limit {
                page.last = last;
                return Ok(page);
            }
            if let Some(common) = &inside {
                last = Some(Last::Prefix(common.clone()));
                page.prefixes.push(common.clone());
            } else {
                start = Start::After(row.key().to_vec(), row.seq());
                last = Some(Last::Row(row.key().to_vec()));
                page.rows.push(row);
            }
        }
        if whole {
            return Ok(page);
        }
        // Under a common prefix there may be millions of keys: past them in one step.
        if let Some(common) = inside {
            start = Start::At(past(&common));
        }
    }
}

/// The least byte string that is greater than everything that begins with `prefix`.
pub fn past(prefix: &[u8]) -> Vec<u8> {
    let mut past = prefix.to_vec();
    while let Some(byte) = past.pop() {
        if byte < PAST_ALL {
            past.push(byte + 1);
            return past;
        }
    }
    vec![PAST_ALL]
}

fn common_prefix(key: &[u8], prefix: &[u8], delimiter: &[u8]) -> Option<Vec<u8>> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.get(prefix.len()..)?;
    let at = rest.windows(delimiter.len()).position(|w| w == delimiter)?;
    Some(key[..prefix.len() + at + delimiter.len()].to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    struct Key(Vec<u8>);

    impl Row for Key {
        fn key(&self) -> &[u8] {
            &self.0
        }
        fn seq(&self) -> i64 {
            1
        }
    }

    impl Table<Key> for BTreeSet<String> {
        async fn fetch(&self, start: &Start, end: &[u8], want: usize) -> Result<Vec<Key>> {
            let (from, seq) = start.newest_first();
            Ok(self
                .iter()
                .map(String::as_bytes)
                .filter(|key| (*key > from || *key == from && 1 < seq) && *key < end)
                .take(want)
                .map(|key| Key(key.to_vec()))
                .collect())
        }
    }

    async fn pages(keys: &BTreeSet<String>, query: &Query<'_>) -> (Vec<String>, Vec<String>) {
        let (mut rows, mut prefixes) = (Vec::new(), Vec::new());
        let mut marker = Start::At(Vec::new());
        loop {
            let page = collect(query, marker, keys).await.expect("nothing fails here");
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            assert!(page.rows.len() + page.prefixes.len() <= query.limit);
            rows.extend(page.rows.iter().map(|row| text(&row.0)));
            prefixes.extend(page.prefixes.iter().map(|prefix| text(prefix)));
            marker = match page.last {
                None => return (rows, prefixes),
                Some(Last::Row(key) | Last::Prefix(key)) => Start::AfterKey(key),
            };
        }
    }

    proptest! {
        #[test]
        fn pages_join_to_the_whole(
            keys in prop::collection::btree_set("[ab/\u{10ffff}]{1,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in prop_oneof![Just(""), Just("/"), Just("a/")],
            limit in 1_usize..5,
        ) {
            let query = Query { prefix: &prefix, delimiter, limit };
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let (rows, prefixes) = runtime.block_on(pages(&keys, &query));
            let matching = keys.iter().filter(|key| key.starts_with(&prefix));
            let cut = |key: &String| (!delimiter.is_empty())
                .then(|| key[prefix.len()..].find(delimiter))
                .flatten()
                .map(|at| key[..prefix.len() + at + delimiter.len()].to_owned());
            let expected_rows: Vec<_> = matching.clone().filter(|key| cut(key).is_none()).cloned().collect();
            let expected_prefixes: BTreeSet<_> = matching.filter_map(cut).collect();
            prop_assert_eq!(rows, expected_rows);
            prop_assert_eq!(prefixes, expected_prefixes.into_iter().collect::<Vec<_>>());
        }
    }
}
