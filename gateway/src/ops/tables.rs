//! Keys under which formats of tables keep what they know of their files. It names sizes, offsets and values of files as they were written, which a policy changes: such a
//! table would be broken, and its log holds the least and the greatest value of every column.
//!
//! Sources: Delta Lake protocol, "File Types"; Apache Iceberg, "Table Spec" and `HadoopTableOperations`; Apache Hudi, "Storage Layout".

/// The format whose log or metadata an object of this key would be.
pub fn format_of(key: &str) -> Option<&'static str> {
    let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
    if folders.split('/').any(|folder| folder == "_delta_log") {
        return Some("Delta Lake");
    }
    if folders.split('/').any(|folder| folder == ".hoodie") || name.starts_with(".hoodie_partition_metadata") {
        return Some("Hudi");
    }
    let of_metadata = folders == "metadata" || folders.ends_with("/metadata");
    (of_metadata && is_of_iceberg(name)).then_some("Iceberg")
}

fn is_of_iceberg(name: &str) -> bool {
    let uuid = |text: &str| text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let version = |text: &str| {
        text.strip_prefix('v').is_some_and(number)
            || text.split_once('-').is_some_and(|(version, id)| version.len() >= 5 && number(version) && uuid(id))
    };
    if name == "version-hint.text" {
        return true;
    }
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    if let Some(stem) = plain.strip_suffix(".metadata.json") {
        return version(stem.strip_suffix(".gz").unwrap_or(stem));
    }
    let Some(stem) = name.strip_suffix(".avro") else { return false };
    if let Some(rest) = stem.strip_prefix("snap-") {
        let mut parts = rest.splitn(3, '-');
        return parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.next().is_some_and(uuid);
    }
    stem.rsplit_once("-m").is_some_and(|(id, count)| uuid(id) && number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_and_metadata_are_told_from_data() {
        const ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let uuid = |text: &str| text.replace("ID", ID);
        for (key, format) in [
            ("t/_delta_log/00000000000000000000.json", "Delta Lake"),
            ("_delta_log/_last_checkpoint", "Delta Lake"),
            ("t/_delta_log/_sidecars/ID.parquet", "Delta Lake"),
            ("t/.hoodie/hoodie.properties", "Hudi"),
            ("t/.hoodie/timeline/20260101000000000_20260101000000001.commit", "Hudi"),
            ("t/p=1/.hoodie_partition_metadata", "Hudi"),
            ("w/t/metadata/00001-ID.metadata.json", "Iceberg"),
            ("w/t/metadata/00001-ID.gz.metadata.json", "Iceberg"),
            ("metadata/v12.metadata.json", "Iceberg"),
            ("t/metadata/v12.metadata.json.gz", "Iceberg"),
            ("t/metadata/version-hint.text", "Iceberg"),
            ("t/metadata/snap-123456789-1-ID.avro", "Iceberg"),
            ("t/metadata/ID-m0.avro", "Iceberg"),
        ] {
            assert_eq!(format_of(&uuid(key)), Some(format), "{key}");
        }
        for key in [
            "t/metadata/notes.json",
            "t/metadata/users.metadata.json",
            "t/metadata/people.avro",
            "t/00001-ID.metadata.json",
            "t/_delta_log",
            "t/my_delta_log/a.json",
            "t/part-0-ID.parquet",
            "version-hint.text",
        ] {
            assert_eq!(format_of(&uuid(key)), None, "{key}");
        }
    }
}
