//! How the values of a column are printed.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;

use crate::format::table::form::Form;

/// Of the values of a column; none if they are not looked into: booleans, and what is none of its type.
pub fn of(column: &ColumnDescriptor) -> Option<Form> {
    let converted = column.converted_type();
    Some(match (column.physical_type(), column.logical_type_ref()) {
        (Type::INT32 | Type::INT64 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Decimal(of))) => {
            decimal(of.scale, of.precision)?
        }
        (Type::INT32 | Type::INT64 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, _)
            if converted == ConvertedType::DECIMAL =>
        {
            decimal(column.type_scale(), column.type_precision())?
        }
        (Type::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Enum)) => Form::Text,
        (Type::BYTE_ARRAY, Some(LogicalType::Json)) => Form::Json,
        (Type::BYTE_ARRAY, Some(LogicalType::Bson)) => Form::Bson,
        (Type::BYTE_ARRAY, None) => match converted {
            ConvertedType::UTF8 | ConvertedType::ENUM => Form::Text,
            ConvertedType::JSON => Form::Json,
            ConvertedType::BSON => Form::Bson,
            _ => Form::Bytes,
        },
        (Type::INT32, Some(LogicalType::Date)) => Form::Date,
        (Type::INT64, Some(LogicalType::Timestamp(timestamp))) => Form::Timestamp { units: units(timestamp.unit) },
        (Type::INT32 | Type::INT64, Some(LogicalType::Time(time))) => Form::Time { units: units(time.unit) },
        (Type::INT96, _) => Form::Timestamp { units: 1_000_000_000 },
        (Type::INT32 | Type::INT64, Some(LogicalType::Integer(integer))) if !integer.is_signed => Form::Unsigned,
        (Type::INT32 | Type::INT64, Some(_)) => Form::Signed,
        (Type::INT32 | Type::INT64, None) => match converted {
            ConvertedType::DATE => Form::Date,
            ConvertedType::TIMESTAMP_MILLIS => Form::Timestamp { units: 1000 },
            ConvertedType::TIMESTAMP_MICROS => Form::Timestamp { units: 1_000_000 },
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
                Form::Unsigned
            }
            ConvertedType::TIME_MILLIS => Form::Time { units: 1000 },
            ConvertedType::TIME_MICROS => Form::Time { units: 1_000_000 },
            _ => Form::Signed,
        },
        (Type::FLOAT | Type::DOUBLE, _) | (Type::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16)) => Form::Float,
        (Type::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)) => Form::Uuid,
        (Type::FIXED_LEN_BYTE_ARRAY, None) if converted == ConvertedType::INTERVAL => Form::Interval,
        (Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, _) => Form::Bytes,
        (Type::BOOLEAN, _) => return None,
    })
}

/// How many of a unit make a second.
fn units(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

fn decimal(scale: i32, precision: i32) -> Option<Form> {
    Some(Form::Decimal { scale: scale.try_into().ok()?, precision: precision.try_into().ok()? })
}
