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
    let mut last = Vec::new();
    // The best of many batches: the machine has other things to do.
    let mut batch = || {
        let started = Instant::now();
        for call in 0..2000 {
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
            last = chain.append(&event).unwrap().bytes;
        }
        started.elapsed().as_nanos() / 2000
    };
    let encode = (0..200).map(|_| batch()).min().unwrap();
    let batch = || {
        let started = Instant::now();
        for _ in 0..2000 {
            std::hint::black_box(View::decode(std::hint::black_box(&last)).unwrap());
        }
        started.elapsed().as_nanos() / 2000
    };
    let decode = (0..200).map(|_| batch()).min().unwrap();
    println!(
        "{encode} ns to fill in, encode and hash; {decode} ns to view; {} bytes a row",
        last.len()
    );
}
