//! `cargo test -p audit --release --test cost -- --ignored --nocapture`

use std::sync::Arc;
use std::time::Instant;

use audit::stored::View;
use audit::{Chain, Event, EventType};

#[test]
#[ignore = "a measurement"]
fn encoding_and_hashing_an_event() {
    let (function, user): (Arc<str>, Arc<str>) = ("user_lookup".into(), "postgres".into());
    let mut chain = Chain::GENESIS;
    let count = 1_000_000_i64;
    let mut bytes = 0;
    let started = Instant::now();
    let mut last = Vec::new();
    for call in 0..count {
        let event = Event {
            function_name: Some(Arc::clone(&function)),
            user_name: Some(Arc::clone(&user)),
            session_id: Some(12),
            call_id: Some(call),
            duration_us: Some(15),
            fuel_used: Some(12_345),
            memory_bytes: Some(2_097_152),
            ..Event::new(EventType::ExecutionCompleted)
        };
        let sealed = chain.append(&event).unwrap();
        bytes += sealed.bytes.len();
        last = sealed.bytes;
    }
    let encode = started.elapsed().as_nanos() / count.unsigned_abs() as u128;
    let started = Instant::now();
    let mut sum = 0;
    for _ in 0..count {
        sum += View::decode(std::hint::black_box(&last)).unwrap().fuel_used.unwrap();
    }
    let decode = started.elapsed().as_nanos() / count.unsigned_abs() as u128;
    println!(
        "{encode} ns to fill in, encode and hash; {decode} ns to view; {} bytes a row ({sum})",
        bytes / count as usize
    );
}
