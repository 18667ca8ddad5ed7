//! `cargo test -p policy --release --test cost -- --ignored --nocapture`

mod support;

use std::sync::Arc;
use std::time::Instant;

use audit::{AuditError, Event, MemorySink, Receipt, Sink};
use policy::{Effective, FunctionName, Gate, GateContext, Language, ObjectName, Policy, ReadTable, Rights, RightsSource, Syscall};
use types::SqlError;

/// Rights as an engine would keep them: resolved when the catalog changes, not at every check.
struct Resolved(Arc<Effective>);

impl RightsSource for Resolved {
    fn rights(&self) -> Option<Arc<Effective>> {
        Some(Arc::clone(&self.0))
    }

    fn add_violation(&self, _: Syscall) -> Result<u32, SqlError> {
        Ok(1)
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn record(&self, event: Event) -> Result<Receipt, AuditError> {
        std::hint::black_box(event);
        Ok(Receipt { id: 1 })
    }

    fn wait(&self, _: Receipt) -> Result<(), AuditError> {
        Ok(())
    }
}

#[test]
#[ignore = "a measurement"]
fn a_granted_check() {
    let measure = |sink: Arc<dyn Sink>| {
        let rights = Rights::default().resolve(Policy::permissive(), Language::JavaScript, true);
        let gate = Gate::new(GateContext {
            function: FunctionName::new("f", "f"),
            user: "alice".into(),
            session_id: 1,
            call_id: 1,
            parent_call_id: None,
            rights: Arc::new(Resolved(Arc::new(rights))),
            privileges: Arc::new(support::Caller {
                locked_table: "",
                superuser: false,
                locked_for_caller: "",
            }),
            sink,
            parent: None,
        });
        let table = ObjectName::new("public", "users", true);
        // The best of many batches: the machine has other things to do.
        let batch = || {
            let started = Instant::now();
            for _ in 0..2000 {
                let permit = gate.check(ReadTable(table.clone())).unwrap();
                std::hint::black_box(permit.into_asked());
            }
            started.elapsed().as_nanos() / 2000
        };
        (0..200).map(|_| batch()).min().unwrap()
    };
    println!(
        "{} ns for the verdict and its event, {} ns with its row",
        measure(Arc::new(Nowhere)),
        measure(Arc::new(MemorySink::new()))
    );
}
