//! A lane inside this process: an apalis backend over a queue in memory.
//!
//! Our own, because apalis' in-memory backends panic under several producers or end when their queue is empty. What is in
//! it when the process ends is lost, which costs nothing: the rows stay, and are fed again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::layers::Identity;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use entity::Clock;
use futures::task::AtomicWaker;

/// One lane's queue: any number of producers, one worker.
#[derive(Clone)]
pub(super) struct InProc(Arc<Inner>);

struct Inner {
    clock: Clock,
    waiting: Mutex<VecDeque<String>>,
    worker: AtomicWaker,
}

impl InProc {
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, waiting: Mutex::default(), worker: AtomicWaker::new() }))
    }

    /// Puts tasks, in their wire form, at the end of the lane.
    pub(super) fn push(&self, tasks: impl IntoIterator<Item = String>) {
        self.waiting().extend(tasks);
        self.0.worker.wake();
    }

    /// How many tasks wait.
    pub(super) fn depth(&self) -> u64 {
        self.waiting().len() as u64
    }

    /// What a worker of this lane consumes from; only the latest one is woken.
    pub(super) fn backend(&self) -> InProcBackend {
        InProcBackend(self.clone())
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker's end of an [`InProc`].
pub(super) struct InProcBackend(InProc);

impl Backend for InProcBackend {
    type Task = Task<String>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        // First the waker, then the look: a push between the two wakes.
        self.0.0.worker.register(cx.waker());
        let next = self.0.waiting().pop_front();
        match next {
            Some(task) => {
                let id = TaskId::from_string(self.0.0.clock.id().to_string());
                Poll::Ready(Some(Ok(TaskBuilder::new(task).task_id(id).build())))
            }
            None => Poll::Pending,
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for InProcBackend {
    type Args = String;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
