//! How values are printed.

/// How values are printed, and what becomes of a text that is to stand in the place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text in UTF-8.
    Text,
    /// One document of JSON.
    Json,
    /// One document of BSON.
    Bson,
    /// Bytes that say nothing of themselves: text if they look like it.
    Bytes,
    /// An integer.
    Signed,
    /// An integer without a sign.
    Unsigned,
    /// A decimal with so many digits behind the point, and so many in all.
    Decimal { scale: u32, precision: u32 },
    /// A floating-point number.
    Float,
    /// Days since 1970.
    Date,
    /// A time since 1970, of which so many units make a second.
    Timestamp { units: i64 },
    /// A time of day.
    Time { units: i64 },
    /// A span of time.
    Duration { units: i64 },
    /// Months, days and a part of one.
    Interval,
    /// A UUID in 16 bytes.
    Uuid,
}
