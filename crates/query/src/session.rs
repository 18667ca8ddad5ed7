//! DataFusion's session, made once for the process, and the threads that it may use.
//!
//! A plan is polled on the thread that asks for its rows, so that a statement has one thread, and
//! its stack, to itself. What DataFusion spawns on the side goes to a small pool of its own.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::prelude::SessionConfig;
use tokio::runtime::Runtime;
use types::{Result, SqlError};

use crate::host::Host;

/// Rows per Arrow batch.
const BATCH_ROWS: usize = 4096;

/// As large as a session's: user functions and nested plans run on them, too.
const WORKER_STACK_BYTES: usize = 64 << 20;

const WORKERS: usize = 2;

/// How long a waiting statement may go without looking whether it is cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// The rules that move work to where it is cheap. None of them converts types or evaluates
/// anything: the binder has decided the one, and the other is ours to do with PostgreSQL's errors.
fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownLimit::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

static STATE: LazyLock<SessionState> = LazyLock::new(|| {
    let config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    SessionStateBuilder::new()
        .with_config(config)
        .with_analyzer_rules(vec![])
        .with_optimizer_rules(rules())
        .build()
});

pub(crate) fn state() -> &'static SessionState {
    &STATE
}

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_stack_size(WORKER_STACK_BYTES)
        .thread_name("query")
        .on_thread_start(|| IS_WORKER.set(true))
        .enable_time()
        .build()
});

/// Drives a future of DataFusion's to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F, host: &dyn Host) -> Result<F::Output> {
    // A plan inside of a plan may be on a worker already, which must not be lost to the others
    // while it waits for them.
    if IS_WORKER.get() {
        tokio::task::block_in_place(|| drive(future, host))
    } else {
        drive(future, host)
    }
}

/// Waits for what another thread does with `wait`.
pub(crate) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    match IS_WORKER.get() {
        true => tokio::task::block_in_place(wait),
        false => wait(),
    }
}

fn drive<F: Future>(future: F, host: &dyn Host) -> Result<F::Output> {
    let runtime = RUNTIME
        .as_ref()
        .map_err(|error| SqlError::internal(format!("no threads for queries: {error}")))?;
    let _inside = runtime.enter();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        host.check_cancelled()?;
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return Ok(output),
            Poll::Pending => std::thread::park_timeout(CANCEL_POLL),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
