//! A guest that lies: whatever it writes, it gets an error or a value of the declared type. The fuzz target `guest_values` runs [`read`], too.

use types::text::TextStyle;
use types::{Datum, Type};

use crate::value::{Exchange, Param, Reader, put_value, returned};

/// The first byte chooses the declared type.
pub fn read(bytes: &[u8]) {
    let Some((choice, value)) = bytes.split_first() else { return };
    let columns = [("a".to_string(), Type::Int4), ("b".to_string(), Type::Text)];
    let scalars = types::SCALARS.iter().map(|scalar| scalar.ty);
    let types: Vec<Type> = scalars
        .filter(|ty| ty.category() != 'P' || *ty == Type::Record)
        .flat_map(|ty| std::iter::once(ty).chain(ty.array_type()))
        .collect();
    let ty = types[usize::from(*choice) % types.len()];
    if let Ok(datum) = returned(&mut Reader::new(value), "f()", ty, &columns, &Exchange::default()) {
        give_back(&datum);
        if ty.category() != 'P' {
            let mut text = String::new();
            types::text::format(ty, &datum, &TextStyle::default(), &mut text);
        }
    }
    let Ok(param) = Param::read(&mut Reader::new(value), &Exchange::default()) else {
        return;
    };
    let places = [
        param.placed(ty, &TextStyle::default()),
        param.by_itself(Some(ty)),
        param.by_itself(None),
    ];
    for datum in places.into_iter().flatten() {
        give_back(&datum);
    }
}

/// What was taken from a guest can be handed to one.
fn give_back(datum: &Datum) {
    let mut out = vec![];
    for rounds in [false, true] {
        if put_value(&mut out, datum, &mut Exchange::new(TextStyle::default(), rounds)).is_ok() {
            assert!(!out.is_empty());
        }
        out.clear();
    }
}

#[cfg(test)]
#[path = "../../../../fuzz/src/mutations.rs"]
mod mutations;

#[cfg(test)]
#[test]
fn whatever_a_guest_writes_is_a_value_or_refused() {
    mutations::each("guest_values", 50_000, read);
}
