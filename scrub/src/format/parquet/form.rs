//! How the values of a column are printed.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;

use crate::format::table::form::Form;

/// Of the values of a column; none if they are not looked into: booleans, times of day, UUIDs and other data without a printed form of its own.
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
        (Type::BYTE_ARRAY, None) => match converted {
            ConvertedType::UTF8 | ConvertedType::ENUM => Form::Text,
            ConvertedType::JSON => Form::Json,
            ConvertedType::NONE => Form::Bytes,
            _ => return None,
        },
        (Type::INT32, Some(LogicalType::Date)) => Form::Date,
        (Type::INT64, Some(LogicalType::Timestamp(timestamp))) => Form::Timestamp {
            units: match timestamp.unit {
                TimeUnit::MILLIS => 1000,
                TimeUnit::MICROS => 1_000_000,
                TimeUnit::NANOS => 1_000_000_000,
            },
        },
        (Type::INT96, _) => Form::Timestamp { units: 1_000_000_000 },
        (Type::INT32 | Type::INT64, Some(LogicalType::Integer(integer))) if !integer.is_signed => Form::Unsigned,
        (Type::INT32 | Type::INT64, Some(LogicalType::Integer(_))) => Form::Signed,
        (Type::INT32 | Type::INT64, None) => match converted {
            ConvertedType::DATE => Form::Date,
            ConvertedType::TIMESTAMP_MILLIS => Form::Timestamp { units: 1000 },
            ConvertedType::TIMESTAMP_MICROS => Form::Timestamp { units: 1_000_000 },
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
                Form::Unsigned
            }
            ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS => return None,
            _ => Form::Signed,
        },
        (Type::FLOAT | Type::DOUBLE, _) => Form::Float,
        _ => return None,
    })
}

fn decimal(scale: i32, precision: i32) -> Option<Form> {
    Some(Form::Decimal { scale: scale.try_into().ok()?, precision: precision.try_into().ok()? })
}
