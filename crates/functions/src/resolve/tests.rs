//! The rules, one claim each. Whole calls are compared with PostgreSQL in `tests/postgres_goldens.rs`.

use types::{SqlState, Type};

use super::*;

const INT4S: Type = Type::Array(&Type::Int4);

fn signature(args: &[Type]) -> Signature {
    Signature {
        args: args.to_vec(),
        defaults: 0,
        variadic: false,
    }
}

#[track_caller]
fn check_operator(symbol: &str, left: Option<Type>, right: Type, expected: &str) {
    let found = match resolve_operator(symbol, left, right) {
        Ok(found) => format!("{} {:?} {:?} {:?}", found.function.name, found.left, found.right, found.ret),
        Err(error) => format!("{} {}", error.state(), error.message()),
    };
    assert_eq!(found, expected);
}

#[test]
fn an_exact_match_wins() {
    check_operator("+", Some(Type::Int2), Type::Int4, "int24pl Some(Int2) Int4 Int4");
}

#[test]
fn an_unknown_operand_is_taken_as_the_known_one() {
    check_operator("=", Some(Type::Unknown), Type::Date, "date_eq Some(Date) Date Bool");
    check_operator("||", Some(Type::Unknown), Type::Unknown, "textcat Some(Text) Text Text");
}

#[test]
fn implicit_casts_lead_to_the_preferred_type() {
    check_operator("+", Some(Type::Int4), Type::Numeric, "numeric_add Some(Numeric) Numeric Numeric");
    check_operator("+", Some(Type::Numeric), Type::Float4, "float84pl Some(Float8) Float4 Float8");
}

#[test]
fn without_a_way_there_is_no_operator() {
    check_operator("+", Some(Type::Text), Type::Int4, "42883 operator does not exist: text + integer");
    check_operator("-", None, Type::Unknown, "42725 operator is not unique: - unknown");
}

#[test]
fn anything_but_an_array_is_concatenated_to_text_as_text() {
    check_operator("||", Some(Type::Text), Type::Bool, "textcat Some(Text) Text Text");
    check_operator("||", Some(INT4S), Type::Text, "42883 operator does not exist: integer[] || text");
}

#[test]
fn arrays_and_elements_meet_at_a_common_type() {
    let found = resolve_operator("||", Some(INT4S), Type::Numeric).unwrap();
    assert_eq!((found.left, found.right), (Some(Type::Array(&Type::Numeric)), Type::Numeric));
}

#[test]
fn polymorphic_arguments_agree() {
    let (args, ret) = resolve_polymorphic(
        &[Type::AnyArray, Type::AnyElement],
        Type::AnyElement,
        &[INT4S, Type::Unknown],
        crate::Family::Same,
    )
    .unwrap();
    assert_eq!((args, ret), (vec![INT4S, Type::Int4], Type::Int4));
    let error = resolve_polymorphic(
        &[Type::AnyElement, Type::AnyElement],
        Type::AnyElement,
        &[Type::Int4, Type::Text],
        crate::Family::Same,
    );
    assert_eq!(error.unwrap_err().state(), SqlState::DatatypeMismatch);
}

#[test]
fn pick_prefers_plain_functions_to_defaults_and_variadics() {
    let plain = signature(&[Type::Int4]);
    let defaulted = Signature {
        args: vec![Type::Int4, Type::Int4],
        defaults: 1,
        variadic: false,
    };
    let variadic = Signature {
        args: vec![Type::Int4],
        defaults: 0,
        variadic: true,
    };
    assert_eq!(pick(&[variadic.clone(), defaulted.clone(), plain], &[Type::Int4]), Pick::One(2));
    assert_eq!(pick(&[variadic.clone(), defaulted], &[Type::Int4]), Pick::One(1));
    assert_eq!(
        pick(std::slice::from_ref(&variadic), &[Type::Int4, Type::Int2, Type::Unknown]),
        Pick::One(0)
    );
    assert_eq!(pick(&[variadic], &[Type::Text]), Pick::None);
}

#[test]
fn pick_says_when_it_cannot_decide() {
    let candidates = [signature(&[Type::Int4, Type::Int8]), signature(&[Type::Int8, Type::Int4])];
    assert_eq!(pick(&candidates, &[Type::Int4, Type::Int4]), Pick::Ambiguous);
    assert_eq!(pick(&candidates, &[Type::Int4, Type::Int8]), Pick::One(0));
}

#[test]
fn an_untyped_literal_prefers_text() {
    let candidates = [signature(&[Type::Int4]), signature(&[Type::Text]), signature(&[Type::Varchar])];
    assert_eq!(pick(&candidates, &[Type::Unknown]), Pick::One(1));
}

#[test]
fn one_type_is_found_for_several() {
    assert_eq!(common_type(&[Type::Int4, Type::Unknown, Type::Numeric], "CASE"), Ok(Type::Numeric));
    assert_eq!(common_type(&[Type::Unknown, Type::Unknown], "CASE"), Ok(Type::Text));
    assert_eq!(common_type(&[Type::Varchar, Type::Text], "UNION"), Ok(Type::Varchar));
    assert_eq!(
        common_type(&[Type::Date, Type::Timestamptz, Type::Timestamp], "VALUES"),
        Ok(Type::Timestamptz)
    );
    let error = common_type(&[Type::Int4, Type::Text], "UNION").unwrap_err();
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::DatatypeMismatch, "UNION types integer and text cannot be matched")
    );
}

#[test]
fn a_call_of_a_types_name_is_a_cast() {
    let resolved = resolve_call("float8", &[Type::Unknown]).unwrap();
    assert!(matches!(resolved.target, Target::Cast(Type::Float8)));
}

#[test]
fn named_arguments_find_their_places() {
    let (resolved, sources) = resolve_named_call("make_interval", &[Type::Int4], &[("days", Type::Int4), ("secs", Type::Unknown)]).unwrap();
    assert_eq!(resolved.ret, Type::Interval);
    let default = NamedSource::Default("0");
    assert_eq!(
        sources,
        vec![
            NamedSource::Given(0),
            default,
            default,
            NamedSource::Given(1),
            default,
            default,
            NamedSource::Given(2)
        ]
    );
    let error = resolve_named_call("make_interval", &[], &[("dogs", Type::Int4)]).unwrap_err();
    assert_eq!(error.message(), "function make_interval(dogs => integer) does not exist");
}

#[test]
fn functions_that_want_types_are_given_them() {
    let resolved = resolve_call("pg_typeof", &[Type::Varchar]).unwrap();
    assert!(resolved.types_argument.is_some());
    assert!(resolve_call("lower", &[Type::Text]).unwrap().types_argument.is_none());
}
