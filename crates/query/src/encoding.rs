//! Values that Arrow has no type for, as bytes in a Binary array.
//!
//! A numeric is a key, whose bytes compare as the values do, and its display scale behind it:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | class: 0 -Infinity, 1 negative, 2 zero, 3 positive, 4 Infinity, 5 NaN |
//! | 4 | exponent: the value is 0.d1 d2 d3 ... x 100^exponent; i32, sign bit flipped, big-endian |
//! | n | digits to the base of 100, each plus one, without zeros at the end |
//! | 2 | display scale, big-endian |
//!
//! Exponent and digits are there for classes 1 and 3 only; for negative values all their bits are
//! flipped and one byte 0xFF follows the digits, so that a longer value is the smaller one.
//!
//! An interval is a key, its length in microseconds with months of 30 days (i128, sign bit flipped,
//! big-endian), and behind it months (i32), days (i32) and microseconds (i64), big-endian.
//!
//! Grouping, joining and sorting look at the key alone ([`numeric_key`], [`interval_key`]): 1.0 is 1.00.
//!
//! Arrays, records and whatever else is not compared as bytes: a tag and the value, see [`encode`].

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use types::{Array, Datum, Interval, Numeric, Result, SqlError, Type};

const SCALE_BYTES: usize = 2;
const INTERVAL_KEY_BYTES: usize = 16;

/// The part of an encoded numeric that compares.
pub(crate) fn numeric_key(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().saturating_sub(SCALE_BYTES)]
}

/// The part of an encoded interval that compares.
pub(crate) fn interval_key(bytes: &[u8]) -> &[u8] {
    bytes.get(..INTERVAL_KEY_BYTES).unwrap_or(bytes)
}

pub(crate) fn encode_numeric(value: &Numeric, out: &mut Vec<u8>) {
    let value = match value {
        Numeric::NegInfinity => return out.extend_from_slice(&[0, 0, 0]),
        Numeric::Infinity => return out.extend_from_slice(&[4, 0, 0]),
        Numeric::NaN => return out.extend_from_slice(&[5, 0, 0]),
        Numeric::Finite(value) => value,
    };
    let (coefficient, scale) = value.as_bigint_and_scale();
    // Display scales are 0 to 16383.
    let shown = u16::try_from(scale.max(0)).unwrap_or(u16::MAX);
    if coefficient.sign() == Sign::NoSign {
        out.push(2);
        return out.extend_from_slice(&shown.to_be_bytes());
    }
    let negative = coefficient.sign() == Sign::Minus;
    let mut digits = [0u8; 20];
    let large;
    let digits = match u64::try_from(coefficient.magnitude()) {
        Ok(small) => {
            // An odd scale needs one digit more, to fall on a border between pairs.
            let mut rest = u128::from(small) * if scale.rem_euclid(2) == 1 { 10 } else { 1 };
            let mut start = digits.len();
            while rest > 0 {
                start -= 1;
                digits[start] = (rest % 100) as u8;
                rest /= 100;
            }
            &digits[start..]
        }
        Err(_) => {
            let even = if scale.rem_euclid(2) == 1 {
                &*coefficient * 10
            } else {
                coefficient.into_owned()
            };
            large = even.magnitude().to_radix_be(100);
            &large[..]
        }
    };
    let pairs_behind = (scale + 1).div_euclid(2);
    let exponent = i32::try_from(i64::try_from(digits.len()).unwrap_or(i64::MAX).saturating_sub(pairs_behind)).unwrap_or(i32::MAX);
    let kept = digits.len() - digits.iter().rev().take_while(|digit| **digit == 0).count();
    let flip = if negative { 0xff } else { 0 };
    out.push(if negative { 1 } else { 3 });
    out.extend((exponent.cast_unsigned() ^ 0x8000_0000).to_be_bytes().map(|byte| byte ^ flip));
    out.extend(digits[..kept].iter().map(|digit| (digit + 1) ^ flip));
    if negative {
        out.push(0xff);
    }
    out.extend_from_slice(&shown.to_be_bytes());
}

pub(crate) fn decode_numeric(bytes: &[u8]) -> Result<Numeric> {
    let (Some((class, rest)), Some((_, scale))) = (bytes.split_first(), bytes.split_last_chunk::<SCALE_BYTES>()) else {
        return Err(corrupt("numeric"));
    };
    let scale = u16::from_be_bytes(*scale);
    let body = rest.get(..rest.len().wrapping_sub(SCALE_BYTES)).ok_or_else(|| corrupt("numeric"))?;
    let negative = match class {
        0 => return Ok(Numeric::NegInfinity),
        1 => true,
        2 => return Ok(Numeric::Finite(BigDecimal::new(BigInt::ZERO, i64::from(scale)))),
        3 => false,
        4 => return Ok(Numeric::Infinity),
        5 => return Ok(Numeric::NaN),
        _ => return Err(corrupt("numeric")),
    };
    let flip = if negative { 0xff } else { 0 };
    let Some((exponent, digits)) = body.split_first_chunk::<4>() else {
        return Err(corrupt("numeric"));
    };
    let exponent = i64::from((u32::from_be_bytes(exponent.map(|byte| byte ^ flip)) ^ 0x8000_0000).cast_signed());
    let digits = if negative {
        digits.split_last().map_or(digits, |(_, digits)| digits)
    } else {
        digits
    };
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    // The digits as an integer, times 10 to this, is the coefficient at the display scale.
    let power = 2 * (exponent - count) + i64::from(scale);
    let digit = |byte: &u8| (byte ^ flip).wrapping_sub(1);
    let coefficient = match (digits.len() <= 8, u32::try_from(power)) {
        (true, Ok(power @ 0..=18)) => {
            let value = digits.iter().fold(0i64, |value, byte| value * 100 + i64::from(digit(byte)));
            BigInt::from(i128::from(value) * 10i128.pow(power))
        }
        _ => {
            let all: Vec<u8> = digits.iter().map(digit).collect();
            let value = BigInt::from_radix_be(Sign::Plus, &all, 100).ok_or_else(|| corrupt("numeric"))?;
            match u32::try_from(power) {
                Ok(power) => value * BigInt::from(10).pow(power),
                Err(_) => value / BigInt::from(10).pow(u32::try_from(-power).unwrap_or(0)),
            }
        }
    };
    Ok(Numeric::Finite(BigDecimal::new(
        if negative { -coefficient } else { coefficient },
        i64::from(scale),
    )))
}

pub(crate) fn encode_interval(value: Interval, out: &mut Vec<u8>) {
    const DAY: i128 = 86_400_000_000;
    let length = i128::from(value.months) * 30 * DAY + i128::from(value.days) * DAY + i128::from(value.micros);
    out.extend_from_slice(&(length.cast_unsigned() ^ (1 << 127)).to_be_bytes());
    out.extend_from_slice(&value.months.to_be_bytes());
    out.extend_from_slice(&value.days.to_be_bytes());
    out.extend_from_slice(&value.micros.to_be_bytes());
}

pub(crate) fn decode_interval(bytes: &[u8]) -> Result<Interval> {
    let mut reader = Reader(bytes);
    reader.take(INTERVAL_KEY_BYTES)?;
    Ok(Interval {
        months: i32::from_be_bytes(reader.array()?),
        days: i32::from_be_bytes(reader.array()?),
        micros: i64::from_be_bytes(reader.array()?),
    })
}

/// Any value, to be read back by [`decode`]; the bytes do not compare.
pub(crate) fn encode(datum: &Datum, out: &mut Vec<u8>) {
    let mut bytes = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(&length(bytes.len()));
        out.extend_from_slice(bytes);
    };
    match datum {
        Datum::Null => bytes(0, &[]),
        Datum::Bool(value) => bytes(1, &[u8::from(*value)]),
        Datum::Int2(value) => bytes(2, &value.to_be_bytes()),
        Datum::Int4(value) => bytes(3, &value.to_be_bytes()),
        Datum::Int8(value) => bytes(4, &value.to_be_bytes()),
        Datum::Float4(value) => bytes(5, &value.to_be_bytes()),
        Datum::Float8(value) => bytes(6, &value.to_be_bytes()),
        Datum::Numeric(value) => {
            let mut encoded = vec![];
            encode_numeric(value, &mut encoded);
            bytes(7, &encoded);
        }
        Datum::Text(value) => bytes(8, value.as_bytes()),
        Datum::Bytea(value) => bytes(9, value),
        Datum::Date(value) => bytes(10, &value.to_be_bytes()),
        Datum::Time(value) => bytes(11, &value.to_be_bytes()),
        Datum::Timestamp(value) => bytes(12, &value.to_be_bytes()),
        Datum::Timestamptz(value) => bytes(13, &value.to_be_bytes()),
        Datum::Interval(value) => {
            let mut encoded = vec![];
            encode_interval(*value, &mut encoded);
            bytes(14, &encoded);
        }
        Datum::Uuid(value) => bytes(15, value),
        Datum::Json(value) => bytes(16, value.as_bytes()),
        Datum::Oid(value) => bytes(17, &value.to_be_bytes()),
        Datum::Array(array) => {
            let mut inner = array.element.oid().to_be_bytes().to_vec();
            inner.extend_from_slice(&length(array.dims.len()));
            for (count, lower) in &array.dims {
                inner.extend_from_slice(&count.to_be_bytes());
                inner.extend_from_slice(&lower.to_be_bytes());
            }
            array.values.iter().for_each(|value| encode(value, &mut inner));
            bytes(18, &inner);
        }
        Datum::Record(fields) => {
            let mut inner = vec![];
            fields.iter().for_each(|field| encode(field, &mut inner));
            bytes(19, &inner);
        }
    }
}

/// Memory ends long before lengths do.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Datum> {
    Reader(bytes).datum()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| corrupt("value"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| corrupt("value"))
    }

    fn datum(&mut self) -> Result<Datum> {
        let [tag] = self.array()?;
        let length = u32::from_be_bytes(self.array()?);
        let mut inner = Reader(self.take(length as usize)?);
        let text = |reader: &Reader| String::from_utf8(reader.0.to_vec()).map_err(|_| corrupt("text"));
        Ok(match tag {
            0 => Datum::Null,
            1 => Datum::Bool(inner.array::<1>()? != [0]),
            2 => Datum::Int2(i16::from_be_bytes(inner.array()?)),
            3 => Datum::Int4(i32::from_be_bytes(inner.array()?)),
            4 => Datum::Int8(i64::from_be_bytes(inner.array()?)),
            5 => Datum::Float4(f32::from_be_bytes(inner.array()?)),
            6 => Datum::Float8(f64::from_be_bytes(inner.array()?)),
            7 => Datum::Numeric(decode_numeric(inner.0)?),
            8 => Datum::Text(text(&inner)?),
            9 => Datum::Bytea(inner.0.to_vec()),
            10 => Datum::Date(i32::from_be_bytes(inner.array()?)),
            11 => Datum::Time(i64::from_be_bytes(inner.array()?)),
            12 => Datum::Timestamp(i64::from_be_bytes(inner.array()?)),
            13 => Datum::Timestamptz(i64::from_be_bytes(inner.array()?)),
            14 => Datum::Interval(decode_interval(inner.0)?),
            15 => Datum::Uuid(inner.array()?),
            16 => Datum::Json(text(&inner)?),
            17 => Datum::Oid(u32::from_be_bytes(inner.array()?)),
            18 => {
                let element = Type::from_oid(u32::from_be_bytes(inner.array()?)).ok_or_else(|| corrupt("array"))?;
                let count = u32::from_be_bytes(inner.array()?);
                let mut dims = vec![];
                for _ in 0..count {
                    dims.push((i32::from_be_bytes(inner.array()?), i32::from_be_bytes(inner.array()?)));
                }
                Datum::Array(Box::new(Array {
                    element,
                    dims,
                    values: inner.rest()?,
                }))
            }
            19 => Datum::Record(inner.rest()?),
            _ => return Err(corrupt("value")),
        })
    }

    fn rest(&mut self) -> Result<Vec<Datum>> {
        let mut values = vec![];
        while !self.0.is_empty() {
            values.push(self.datum()?);
        }
        Ok(values)
    }
}

fn corrupt(what: &str) -> SqlError {
    SqlError::internal(format!("an encoded {what} is broken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(text: &str) -> Numeric {
        text.parse().unwrap()
    }

    fn encoded(value: &Numeric) -> Vec<u8> {
        let mut out = vec![];
        encode_numeric(value, &mut out);
        out
    }

    #[test]
    fn numerics_compare_by_their_keys_and_come_back_as_they_were() {
        let texts = [
            "-Infinity",
            "-123456789012345678901234567890.5",
            "-1000000",
            "-100.1",
            "-100",
            "-99.99",
            "-1.5",
            "-1.05",
            "-1",
            "-0.1",
            "-0.01",
            "-0.001",
            "-0.00000000000000000000000000012",
            "0",
            "0.00000000000000000000000000012",
            "0.001",
            "0.01",
            "0.010001",
            "0.1",
            "0.5",
            "1",
            "1.000000000000000000000000000001",
            "1.05",
            "1.5",
            "9",
            "10",
            "11",
            "99",
            "99.99",
            "100",
            "100.1",
            "1000",
            "18446744073709551615",
            "18446744073709551616",
            "123456789012345678901234567890.5",
            "Infinity",
            "NaN",
        ];
        let values: Vec<Vec<u8>> = texts.iter().map(|text| encoded(&numeric(text))).collect();
        for (index, left) in values.iter().enumerate() {
            assert_eq!(decode_numeric(left).unwrap().to_string(), texts[index]);
            for (other, right) in values.iter().enumerate() {
                assert_eq!(
                    numeric_key(left).cmp(numeric_key(right)),
                    index.cmp(&other),
                    "{} and {}",
                    texts[index],
                    texts[other]
                );
            }
        }
    }

    #[test]
    fn the_display_scale_is_no_part_of_the_key() {
        for (left, right) in [("1", "1.00"), ("0", "0.000"), ("-10", "-10.0"), ("1200", "1200.00000")] {
            let (left, right) = (encoded(&numeric(left)), encoded(&numeric(right)));
            assert_ne!(left, right);
            assert_eq!(numeric_key(&left), numeric_key(&right));
        }
        for text in ["1.00", "0.000", "-10.0", "1200.00000", "0.10", "1000000000000000000000.00"] {
            assert_eq!(decode_numeric(&encoded(&numeric(text))).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_month_is_thirty_days_to_compare() {
        let bytes = |months, days, micros| {
            let mut out = vec![];
            encode_interval(Interval { months, days, micros }, &mut out);
            out
        };
        assert_eq!(interval_key(&bytes(1, 0, 0)), interval_key(&bytes(0, 30, 0)));
        assert!(interval_key(&bytes(0, -1, 0)) < interval_key(&bytes(0, 0, -1)));
        assert!(interval_key(&bytes(0, 1, 0)) < interval_key(&bytes(0, 1, 1)));
        assert_eq!(
            decode_interval(&bytes(-5, 7, -9)).unwrap(),
            Interval {
                months: -5,
                days: 7,
                micros: -9
            }
        );
    }

    #[test]
    fn nested_values_come_back() {
        let array = Datum::array(Type::Text, vec![Datum::text("a"), Datum::Null]);
        let record = Datum::Record(vec![Datum::Int4(7), array, Datum::Numeric(numeric("1.50"))]);
        let mut bytes = vec![];
        encode(&record, &mut bytes);
        assert_eq!(format!("{:?}", decode(&bytes).unwrap()), format!("{record:?}"));
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
