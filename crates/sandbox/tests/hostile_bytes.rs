//! Requests of a guest that lies, to each host function: whatever bytes it hands over, it is answered, or its call ends, and nothing that was
//! not granted happens. The bytes take the whole way, through a module that passes them on as they are.

mod common;
#[path = "../../../fuzz/src/mutations.rs"]
mod mutations;

use std::sync::Arc;

use common::*;
use mutations::Random;
use policy::{Capability, Limits};
use sandbox::*;
use types::{Datum, SqlState, Type};

/// `f(op integer, request bytea)`: hands the request over, and answers with what the host answered.
const FORWARD: &str = r#"(module
  (import "heliosdb" "call" (func $call (param i32 i32 i32) (result i32)))
  (import "heliosdb" "take" (func $take (param i32)))
  (memory (export "memory") 64)
  (func (export "alloc") (param i32) (result i32) (i32.const 65536))
  ;; The row: a count, a tag and the number, a tag, a length and the bytes.
  (func (export "f") (param $row i32) (param $length i32) (result i64) (local $n i32)
    (local.set $n (call $call
      (i32.load offset=5 align=1 (local.get $row))
      (i32.add (local.get $row) (i32.const 14))
      (i32.load offset=10 align=1 (local.get $row))))
    (if (i32.gt_u (local.get $n) (i32.const 2097152)) (then (local.set $n (i32.const 0))) (else (call $take (i32.const 1048581))))
    (i32.store8 (i32.const 1048576) (i32.const 8))
    (i32.store offset=1 align=1 (i32.const 1048576) (local.get $n))
    (i64.or (i64.const 0x100000_00000000) (i64.extend_i32_u (i32.add (local.get $n) (i32.const 5))))))"#;

struct Forward {
    prepared: Arc<Prepared>,
    world: Arc<World>,
}

impl Forward {
    fn new(world: Arc<World>) -> Forward {
        let source = FunctionSource {
            language: Language::Wasm,
            ..source(FORWARD, &[Type::Int4, Type::Bytea], Type::Bytea)
        };
        let prepared = on_session_thread(|| runtime().prepare(&source)).unwrap();
        Forward { prepared, world }
    }

    /// In a sandbox of its own, on this thread.
    fn ask(&self, op: u8, request: &[u8]) {
        let limits = Limits::default_for(policy::Language::Wasm);
        let mut instance = runtime().instantiate(&self.prepared, context(&self.world, limits)).unwrap();
        match instance.call(&[vec![Datum::Int4(i32::from(op)), Datum::Bytea(request.to_vec())]]) {
            Ok(answers) => {
                let Some(Datum::Bytea(_)) = answers.first() else {
                    panic!("{answers:?}")
                };
            }
            // What is no request at all ends the call.
            Err(error) => {
                let error = sql_error(error);
                assert_ne!(error.state(), SqlState::InternalError, "{error:?}");
            }
        }
    }

    fn allowed(&self) -> Vec<String> {
        let checks = self.world.checks();
        checks
            .into_iter()
            .filter(|(_, allowed)| *allowed)
            .map(|(capability, _)| capability)
            .collect()
    }
}

/// The first byte of an input chooses the operation, mostly one that there is.
fn ask_each(forward: &Forward, rounds: usize) {
    mutations::each("host_calls", rounds, |bytes| {
        if let Some((op, request)) = bytes.split_first() {
            forward.ask(if *op < 0x40 { *op } else { op % 0x28 }, request);
        }
    });
}

#[test]
fn whatever_a_guest_asks_without_rights_nothing_happens() {
    let forward = Forward::new(Arc::default());
    on_session_thread(|| ask_each(&forward, 3_000));
    assert_eq!(forward.allowed(), [""; 0]);
    // The runtime serves others as before.
    let answer = call("function f() { return 7; }", &[], Type::Int4);
    assert!(matches!(answer, Ok(Datum::Int4(7))), "{answer:?}");
}

#[test]
fn whatever_a_guest_asks_with_rights_stays_within_them() {
    let world = World::default();
    let held = [
        "TIME_ACCESS",
        "RANDOM_ACCESS",
        "CRYPTO_ACCESS",
        "ENV_ACCESS",
        "CALL_FUNCTION('echo')",
        "HTTP_CLIENT",
        "FILE_READ('/nowhere/**')",
    ];
    *world.capabilities.lock().unwrap() = held.iter().map(|text| Capability::parse(text).unwrap()).collect();
    let forward = Forward::new(Arc::new(world));
    on_session_thread(|| ask_each(&forward, 3_000));
    let kinds: Vec<&str> = held.iter().map(|text| text.split('(').next().unwrap()).collect();
    for capability in forward.allowed() {
        assert!(kinds.contains(&capability.as_str()), "{capability}");
    }
    assert!(forward.allowed().iter().any(|capability| capability == "CRYPTO_ACCESS"));
}

/// Values within values, as deep and as many as fit: what one request may cost the host is bounded.
#[test]
fn requests_of_many_values_are_refused_in_time() {
    let forward = Forward::new(Arc::default());
    let mut random = Random(7);
    on_session_thread(|| {
        for op in [2u8, 3, 0x10, 0x12, 0x20] {
            // An array whose count says a million, of NULLs; arrays in arrays; a count that is not there.
            let mut wide = [&1u32.to_le_bytes()[..], &[16], &1_000_000u32.to_le_bytes()].concat();
            wide.resize(wide.len() + 1_000_000, 0);
            let deep = [&1u32.to_le_bytes()[..], &[16, 1, 0, 0, 0].repeat(100_000)].concat();
            let lying = [&1u32.to_le_bytes()[..], &[16], &u32::MAX.to_le_bytes()].concat();
            let noise: Vec<u8> = (0..10_000).map(|_| (random.below(20)) as u8).collect();
            for request in [wide, deep, lying, noise] {
                forward.ask(op, &request);
            }
        }
    });
}
