//! Promises: the jobs that they wait for run when the function has returned, before its result is
//! taken. A promise that it returned stands for what it came to; a rejection that nobody handled is
//! an error of the call.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use boa_engine::builtins::promise::{OperationType, PromiseState};
use boa_engine::job::{Job, JobExecutor};
use boa_engine::object::JsObject;
use boa_engine::object::builtins::JsPromise;
use boa_engine::{Context, JsError, JsResult, JsValue};

use crate::memory;
use crate::value::Unfit;

thread_local! {
    static QUEUE: RefCell<VecDeque<Job>> = const { RefCell::new(VecDeque::new()) };
    /// Promises that were rejected while nobody listened, in that order.
    static REJECTED: RefCell<Vec<JsObject>> = const { RefCell::new(Vec::new()) };
}

pub struct Queue;

impl JobExecutor for Queue {
    fn enqueue_job(self: Rc<Self>, job: Job, _: &mut Context) {
        match job {
            Job::PromiseJob(_) | Job::GenericJob(_) => QUEUE.with_borrow_mut(|queue| queue.push_back(job)),
            // Timers, other threads, modules, finalizers: a call ends before any of them could come.
            _ => {}
        }
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        run(context)
    }
}

fn run(context: &mut Context) -> JsResult<()> {
    while let Some(job) = QUEUE.with_borrow_mut(VecDeque::pop_front) {
        memory::collect_if_due();
        match job {
            Job::PromiseJob(job) => job.call(context)?,
            Job::GenericJob(job) => job.call(context)?,
            _ => continue,
        };
    }
    Ok(())
}

/// What boa tells of rejections.
pub fn track(promise: JsObject, operation: OperationType) {
    REJECTED.with_borrow_mut(|rejected| match operation {
        OperationType::Reject => rejected.push(promise),
        OperationType::Handle => rejected.retain(|other| !JsObject::equals(other, &promise)),
    });
}

/// Nothing of an earlier call goes on.
pub fn begin_call() {
    QUEUE.with_borrow_mut(VecDeque::clear);
    REJECTED.with_borrow_mut(Vec::clear);
}

/// Runs all jobs, and answers what `result` came to.
pub fn settle(result: JsValue, context: &mut Context) -> Result<JsValue, Unfit> {
    let promise = result.as_promise();
    if promise.is_none() && QUEUE.with_borrow(VecDeque::is_empty) && REJECTED.with_borrow(Vec::is_empty) {
        return Ok(result);
    }
    run(context)?;
    let result = match promise.map(|promise| promise.state()) {
        None => result,
        Some(PromiseState::Fulfilled(value)) => value,
        Some(PromiseState::Rejected(reason)) => return Err(JsError::from_opaque(reason).into()),
        Some(PromiseState::Pending) => {
            return Err(Unfit::Value(
                "the function returned a promise that nothing settles".into(),
                "Host calls return their results directly, and there are no timers to wait for.",
            ));
        }
    };
    let unhandled = REJECTED.with_borrow_mut(|rejected| (!rejected.is_empty()).then(|| rejected.remove(0)));
    match unhandled
        .and_then(|promise| JsPromise::from_object(promise).ok())
        .map(|promise| promise.state())
    {
        Some(PromiseState::Rejected(reason)) => Err(JsError::from_opaque(reason).into()),
        Some(PromiseState::Fulfilled(_) | PromiseState::Pending) | None => Ok(result),
    }
}
