//! How a [`Type`] is written in a stored record: by its name in `pg_type`, so that records can be read by people.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use types::{SCALARS, Type};

pub fn serialize<S: Serializer>(ty: &Type, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&ty.catalog_name())
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Type, D::Error> {
    let name = String::deserialize(deserializer)?;
    parse(&name).ok_or_else(|| D::Error::custom(format!("unknown type {name:?}")))
}

/// By `typname` alone: `Type::from_name` also knows SQL spellings, in which `char` is another type.
fn parse(name: &str) -> Option<Type> {
    let scalar = |name: &str| SCALARS.iter().find(|s| s.name == name).map(|s| s.ty);
    scalar(name).or_else(|| name.strip_prefix('_').and_then(scalar).and_then(Type::array_type))
}

/// A list of (name, type), as `RETURNS TABLE` has it.
pub mod named {
    use super::Type;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Named(String, #[serde(with = "super")] Type);

    pub fn serialize<S: Serializer>(columns: &[(String, Type)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(columns.iter().map(|(name, ty)| Named(name.clone(), *ty)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Type)>, D::Error> {
        Ok(Vec::<Named>::deserialize(deserializer)?
            .into_iter()
            .map(|Named(name, ty)| (name, ty))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives() {
        for scalar in SCALARS {
            assert_eq!(parse(&scalar.ty.catalog_name()), Some(scalar.ty));
            if let Some(array) = scalar.ty.array_type() {
                assert_eq!(parse(&array.catalog_name()), Some(array));
            }
        }
        assert_eq!(parse("integer"), None);
    }
}
