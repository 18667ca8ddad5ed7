//! Whatever bytes stand in the log's files, reading them ends in a row or an error.

use audit::stored::{self, View};
use audit::{Chain, DecodeError, Event, EventType, Row, verify};
use proptest::prelude::*;
use types::SqlState;

fn check(bytes: &[u8], expected: DecodeError) {
    assert_eq!(View::decode(bytes).map(|view| view.event_type), Err(expected));
}

fn sample() -> Vec<u8> {
    let event = Event {
        function_name: Some("f".into()),
        session_id: Some(300),
        error: Some("no".into()),
        sqlstate: Some(SqlState::DivisionByZero),
        details: Some(serde_json::json!({"a": 1})),
        ..Event::at(5, EventType::ExecutionFailed)
    };
    Chain::GENESIS.append_one(&event)
}

trait AppendOne {
    fn append_one(self, event: &Event) -> Vec<u8>;
}

impl AppendOne for Chain {
    fn append_one(mut self, event: &Event) -> Vec<u8> {
        self.append(event).unwrap().bytes
    }
}

fn with(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = sample();
    bytes[at] = byte;
    bytes
}

#[test]
fn each_field_names_its_error() {
    // After the fixed part: "f" (2 bytes), 300 (2), "no" (3), sqlstate (5), details (1 + 7).
    check(&[], DecodeError::Short("version"));
    check(&with(0, 2), DecodeError::Version(2));
    check(&with(65, 0), DecodeError::EventType(0));
    check(&with(65, 200), DecodeError::EventType(200));
    check(
        &with(67, 0x80 | sample()[67]),
        DecodeError::Flags(0x8000 | u16::from_le_bytes([sample()[66], sample()[67]])),
    );
    check(
        &with(67, 0x40 | sample()[67]),
        DecodeError::Flags(0x4000 | u16::from_le_bytes([sample()[66], sample()[67]])),
    );
    check(&with(76, 0xff), DecodeError::Short("function_name"));
    check(&with(77, 0xff), DecodeError::Text("function_name"));
    check(&with(77, 0), DecodeError::Text("function_name"));
    // 0xd8 0x00: a number padded with an empty byte.
    check(&with(79, 0), DecodeError::Number("session_id"));
    check(&with(83, b'x'), DecodeError::SqlState(*b"x2012"));
    let mut longer = sample();
    longer.push(0);
    check(&longer, DecodeError::Trailing(1));
    let view_bytes = with(89, b'[');
    assert_eq!(View::decode(&view_bytes).unwrap().to_event(), Err(DecodeError::Json));
}

#[test]
fn every_prefix_is_short() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert!(matches!(View::decode(&bytes[..length]), Err(DecodeError::Short(_))), "{length}");
        assert_eq!(stored::peek_timestamp(&bytes[..length]).is_ok(), length >= 76, "{length}");
    }
    assert_eq!(stored::peek_timestamp(&bytes), Ok(5));
}

#[test]
fn numbers_over_64_bits_and_deep_json_are_refused() {
    let event = Event {
        session_id: Some(1),
        ..Event::at(0, EventType::LoginSucceeded)
    };
    let mut bytes = Chain::GENESIS.append_one(&event);
    bytes.truncate(76);
    bytes.extend([0xff; 9]);
    bytes.push(0x02);
    check(&bytes, DecodeError::Number("session_id"));
    *bytes.last_mut().unwrap() = 0x01;
    assert_eq!(View::decode(&bytes).unwrap().session_id, Some(i64::MIN));

    let mut deep = Chain::GENESIS.append_one(&Event {
        details: Some(serde_json::json!("")),
        ..Event::at(0, EventType::AlertRaised)
    });
    deep.truncate(76);
    deep.extend([0xa0, 0x1f]);
    deep.extend([b'['; 4000]);
    assert_eq!(View::decode(&deep).unwrap().to_event(), Err(DecodeError::Json));
}

#[test]
fn long_texts_are_clipped_where_a_character_ends() {
    let event = Event {
        function_name: Some("x".repeat(10_000).into()),
        resource: Some("ä".repeat(10_000)),
        error: Some("a\0b".into()),
        details: Some(serde_json::json!({"text": "y".repeat(100_000)})),
        ..Event::at(0, EventType::CapabilityCheck)
    };
    let bytes = Chain::GENESIS.append_one(&event);
    let row = Row::decode(1, &bytes).unwrap().event;
    assert_eq!(row.function_name.unwrap().len(), stored::MAX_NAME_BYTES);
    let resource = row.resource.unwrap();
    assert!(resource.len() <= stored::MAX_TEXT_BYTES && resource.ends_with("ä…"));
    assert_eq!(row.error.as_deref(), Some("a?b"));
    assert_eq!(row.details, Some(serde_json::json!({"truncated_bytes": 100_011})));
}

fn events() -> impl Strategy<Value = Event> {
    let text = || proptest::option::of("[^\0]{0,40}");
    let number = || proptest::option::of(any::<i64>());
    let who = (any::<i64>(), 0..EventType::ALL.len(), text(), text(), number(), number(), number());
    let what = (
        text(),
        text(),
        any::<Option<bool>>(),
        text(),
        any::<bool>(),
        number(),
        number(),
        number(),
        text(),
    );
    (who, what).prop_map(|(who, what)| Event {
        timestamp: who.0,
        event_type: EventType::ALL[who.1],
        function_name: who.2.map(Into::into),
        user_name: who.3.map(Into::into),
        session_id: who.4,
        call_id: who.5,
        parent_call_id: who.6,
        capability: what.0.map(Into::into),
        resource: what.1,
        allowed: what.2,
        error: what.3,
        sqlstate: what.4.then_some(SqlState::QueryCanceled),
        duration_us: what.5,
        fuel_used: what.6,
        memory_bytes: what.7,
        details: what.8.map(|text| serde_json::json!({ "text": text })),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(event in events(), id in 1..=u64::MAX >> 1) {
        let mut chain = Chain::after(id - 1, [7; 32]);
        let sealed = chain.append(&event).unwrap();
        let row = Row::decode(sealed.id, &sealed.bytes).unwrap();
        prop_assert_eq!(row.id, id);
        prop_assert_eq!(row.prev_hash, [7; 32]);
        prop_assert_eq!(row.hash, chain.last_hash());
        prop_assert_eq!(&row.event, &event);
        prop_assert_eq!(stored::peek_timestamp(&sealed.bytes), Ok(event.timestamp));
    }

    #[test]
    fn random_bytes_do_not_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), like_a_row in any::<bool>()) {
        if like_a_row && bytes.len() > 68 {
            bytes[0] = stored::VERSION;
            bytes[65] = bytes[65] % 23 + 1;
            bytes[67] &= 0x7f;
        }
        let _ = Row::decode(1, &bytes);
        let _ = stored::peek_timestamp(&bytes);
        prop_assert!(!verify([(1, bytes)]).whole);
    }

    #[test]
    fn a_changed_byte_is_an_error_or_shows_in_the_chain(event in events(), at in any::<proptest::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = Chain::GENESIS.append_one(&event);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(!verify([(1, bytes)]).whole);
    }
}
