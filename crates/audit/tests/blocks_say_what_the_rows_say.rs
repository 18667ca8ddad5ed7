//! A block's columns are those of its rows, its summary forgets no row, and bytes that are not a block are no block.

use audit::block::{Block, Column, Damaged, Piece, Summary, Value};
use audit::stored::View;
use audit::{Chain, Event, EventType};
use proptest::prelude::*;
use types::SqlState;

fn event() -> impl Strategy<Value = Event> {
    let name = || prop::option::of(prop_oneof!["[a-c]", "[a-zé]{0,12}"]);
    let number = || prop::option::of(prop_oneof![0..10_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]);
    (
        (
            0..EventType::ALL.len(),
            prop_oneof![0..100_i64, any::<i64>()],
            name(),
            name(),
            prop::option::of(any::<bool>()),
        ),
        (number(), number(), number(), number(), number(), number()),
        (name(), name(), name(), any::<bool>()),
    )
        .prop_map(
            |(
                (event_type, timestamp, function, user, allowed),
                (session_id, call_id, parent_call_id, duration_us, fuel_used, memory_bytes),
                (capability, resource, error, state),
            )| Event {
                function_name: function.map(Into::into),
                user_name: user.map(Into::into),
                session_id,
                call_id,
                parent_call_id,
                capability: capability.map(Into::into),
                resource,
                allowed,
                error,
                sqlstate: state.then_some(SqlState::DivisionByZero),
                duration_us,
                fuel_used,
                memory_bytes,
                ..Event::at(timestamp, EventType::ALL[event_type])
            },
        )
}

fn stored(events: &[Event]) -> Vec<Vec<u8>> {
    let mut chain = Chain::GENESIS;
    events.iter().map(|event| chain.append(event).unwrap().bytes).collect()
}

fn views(rows: &[Vec<u8>]) -> Vec<View<'_>> {
    rows.iter().map(|row| View::decode(row).unwrap()).collect()
}

fn piece(block: &Block, column: Column) -> &[u8] {
    &block.pieces.iter().find(|(place, _)| *place == column.place()).unwrap().1
}

fn expected<'a>(row: &View<'a>, column: Column) -> Value<'a> {
    match column {
        Column::Timestamp => Value::Number(Some(row.timestamp)),
        Column::EventType => Value::Text(Some(row.event_type.name())),
        Column::FunctionName => Value::Text(row.function_name),
        Column::UserName => Value::Text(row.user_name),
        Column::SessionId => Value::Number(row.session_id),
        Column::CallId => Value::Number(row.call_id),
        Column::ParentCallId => Value::Number(row.parent_call_id),
        Column::Capability => Value::Text(row.capability),
        Column::Resource => Value::Text(row.resource),
        Column::Allowed => Value::Number(row.allowed.map(i64::from)),
        Column::Error => Value::Text(row.error),
        Column::Sqlstate => Value::Text(row.sqlstate.map(|state| state.code())),
        Column::DurationUs => Value::Number(row.duration_us),
        Column::FuelUsed => Value::Number(row.fuel_used),
        Column::MemoryBytes => Value::Number(row.memory_bytes),
    }
}

proptest! {
    #[test]
    fn columns_are_those_of_the_rows(events in prop::collection::vec(event(), 0..120)) {
        let rows = stored(&events);
        let views = views(&rows);
        let block = Block::of(1, &views);
        prop_assert_eq!(&block, &Block::of(1, &views));
        let summary = Summary::decode(1, &block.pieces[0].1).unwrap();
        for column in Column::ALL {
            let piece = Piece::decode(1, column, piece(&block, column)).unwrap();
            prop_assert_eq!(piece.rows(), views.len());
            for (index, row) in views.iter().enumerate() {
                prop_assert_eq!(piece.value(index), expected(row, column));
                if let Value::Text(Some(text)) = piece.value(index) {
                    prop_assert_eq!(piece.code_of(text), piece.code(index));
                    let mut found: Vec<usize> = (0..views.len()).collect();
                    piece.retain_text(&mut found, text);
                    let same = |row: &usize| piece.value(*row) == piece.value(index);
                    prop_assert_eq!(found, (0..views.len()).filter(same).collect::<Vec<_>>());
                }
                prop_assert_eq!(piece.code(index).is_some(), piece.codes().is_some());
                if let Some(code) = piece.code(index) {
                    prop_assert!(code < piece.codes().unwrap());
                    prop_assert_eq!(piece.code(0) == Some(code), piece.value(0) == piece.value(index));
                }
            }
        }
        for row in &views {
            prop_assert!(summary.may_have(Some(row.event_type), row.allowed));
            prop_assert!(summary.may_have(None, row.allowed) && summary.may_have(Some(row.event_type), None));
            prop_assert!(row.function_name.is_none_or(|name| summary.may_have_function(name)));
        }
    }

    #[test]
    fn changed_bytes_are_no_block(events in prop::collection::vec(event(), 1..50), place in any::<prop::sample::Index>(), bit in 0..8) {
        let rows = stored(&events);
        let block = Block::of(1, &views(&rows));
        let mut summary = block.pieces[0].1.clone();
        let at = place.index(summary.len());
        summary[at] ^= 1_u8 << bit;
        prop_assert_eq!(Summary::decode(1, &summary), Err(Damaged));
        for column in Column::ALL {
            let mut bytes = piece(&block, column).to_vec();
            let at = place.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(Piece::decode(1, column, &bytes).is_err());
            // Cut off, or of another block.
            prop_assert!(Piece::decode(1, column, &piece(&block, column)[..at]).is_err());
            prop_assert!(Piece::decode(4097, column, piece(&block, column)).is_err());
        }
    }

    #[test]
    fn hostile_bytes_end_in_an_error_or_in_values(column in 0..Column::ALL.len(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Summary::decode(1, &bytes);
        if let Ok(piece) = Piece::decode(1, Column::ALL[column], &bytes) {
            (0..piece.rows() + 1).for_each(|row| { piece.value(row); });
        }
    }
}

#[test]
fn a_summary_rules_out_what_is_not_there() {
    let events = [
        Event {
            function_name: Some("f".into()),
            allowed: Some(true),
            ..Event::at(5, EventType::CapabilityCheck)
        },
        Event::at(9, EventType::LoginSucceeded),
    ];
    let rows = stored(&events);
    let block = Block::of(1, &views(&rows));
    let summary = Summary::decode(1, &block.pieces[0].1).unwrap();
    assert!(summary.may_have_function("f") && !summary.may_have_function("g"));
    assert!(summary.may_have(Some(EventType::CapabilityCheck), Some(true)));
    assert!(!summary.may_have(Some(EventType::CapabilityCheck), Some(false)));
    assert!(!summary.may_have(Some(EventType::ExecutionFailed), None));
    assert!(!summary.may_have(None, Some(false)));
}

/// Shipped bytes: a block that an older version made is read by a newer one, or made again.
#[test]
fn a_block_keeps_its_bytes() {
    let events = [
        Event {
            function_name: Some("f".into()),
            call_id: Some(1000),
            ..Event::at(1_700_000_000_000_000, EventType::ExecutionStarted)
        },
        Event {
            function_name: Some("g".into()),
            ..Event::at(1_700_000_000_000_300, EventType::ExecutionStarted)
        },
    ];
    let rows = stored(&events);
    let block = Block::of(1, &views(&rows));
    let body = |column: Column| hex::encode(&piece(&block, column)[12..]);
    assert_eq!(hex::encode(&piece(&block, Column::CallId)[..4]), "01060200");
    assert_eq!(body(Column::Timestamp), "0100401e18240a06000200002c01");
    assert_eq!(body(Column::EventType), "01001000457865637574696f6e5374617274656400");
    assert_eq!(body(Column::FunctionName), "0200010066010067010102");
    assert_eq!(body(Column::CallId), "0201e80300000000000000");
    assert_eq!(body(Column::Error), "000000");
}

/// Codes of two bytes.
#[test]
fn many_different_texts_are_told_apart() {
    let events: Vec<Event> = (0..4096)
        .map(|number| Event {
            resource: (number % 5 > 0).then(|| format!("t{}", number % 997)),
            call_id: Some(number % 256),
            ..Event::at(number, EventType::DatabaseOperation)
        })
        .collect();
    let rows = stored(&events);
    let views = views(&rows);
    let block = Block::of(1, &views);
    let texts = Piece::decode(1, Column::Resource, piece(&block, Column::Resource)).unwrap();
    let numbers = Piece::decode(1, Column::CallId, piece(&block, Column::CallId)).unwrap();
    assert_eq!((texts.codes(), numbers.codes()), (Some(998), Some(257)));
    for (index, row) in views.iter().enumerate() {
        assert_eq!(texts.value(index), Value::Text(row.resource));
        assert_eq!(numbers.value(index), Value::Number(row.call_id));
        assert!(numbers.code(index).is_some_and(|code| code < 257));
    }
    let mut found: Vec<usize> = (0..4096).collect();
    texts.retain_text(&mut found, "t7");
    assert!(found.iter().all(|row| *row % 997 == 7) && found.len() > 2);
}
