//! How the values of a column are printed.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;

/// How the values of a column are printed, and what becomes of a text that is to stand in the place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text in UTF-8.
    Text,
    /// One document of JSON.
    Json,
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
}

impl Form {
    /// Of the values of a column; none if they are not looked into: booleans, times of day, UUIDs and other data without a printed form of its own.
    pub fn of(column: &ColumnDescriptor) -> Option<Self> {
        let converted = column.converted_type();
        Some(match (column.physical_type(), column.logical_type_ref()) {
            (
                Type::INT32 | Type::INT64 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY,
                Some(LogicalType::Decimal(decimal)),
            ) => Self::decimal(decimal.scale, decimal.precision)?,
            (Type::INT32 | Type::INT64 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, _)
                if converted == ConvertedType::DECIMAL =>
            {
                Self::decimal(column.type_scale(), column.type_precision())?
            }
            (Type::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Enum)) => Self::Text,
            (Type::BYTE_ARRAY, Some(LogicalType::Json)) => Self::Json,
            (Type::BYTE_ARRAY, None) => match converted {
                ConvertedType::UTF8 | ConvertedType::ENUM => Self::Text,
                ConvertedType::JSON => Self::Json,
                ConvertedType::NONE => Self::Bytes,
                _ => return None,
            },
            (Type::INT32, Some(LogicalType::Date)) => Self::Date,
            (Type::INT64, Some(LogicalType::Timestamp(timestamp))) => Self::Timestamp {
                units: match timestamp.unit {
                    TimeUnit::MILLIS => 1000,
                    TimeUnit::MICROS => 1_000_000,
                    TimeUnit::NANOS => 1_000_000_000,
                },
            },
            (Type::INT96, _) => Self::Timestamp { units: 1_000_000_000 },
            (Type::INT32 | Type::INT64, Some(LogicalType::Integer(integer))) if !integer.is_signed => Self::Unsigned,
            (Type::INT32 | Type::INT64, Some(LogicalType::Integer(_))) => Self::Signed,
            (Type::INT32 | Type::INT64, None) => match converted {
                ConvertedType::DATE => Self::Date,
                ConvertedType::TIMESTAMP_MILLIS => Self::Timestamp { units: 1000 },
                ConvertedType::TIMESTAMP_MICROS => Self::Timestamp { units: 1_000_000 },
                ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
                    Self::Unsigned
                }
                ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS => return None,
                _ => Self::Signed,
            },
            (Type::FLOAT | Type::DOUBLE, _) => Self::Float,
            _ => return None,
        })
    }

    fn decimal(scale: i32, precision: i32) -> Option<Self> {
        Some(Self::Decimal { scale: scale.try_into().ok()?, precision: precision.try_into().ok()? })
    }
}
