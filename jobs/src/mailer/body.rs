//! A request body that the lease guards, and that knows afterwards whether any of it left.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Lease;

/// How much is handed to the connection at a time. Between two pieces the lease is looked at again, so that a worker that was
/// stopped in the midst of a large email does not complete it long after.
const PIECE: usize = 64 * 1024;

const WAITING: u8 = 0;
const LEAVING: u8 = 1;
const REFUSED: u8 = 2;
const WITHDRAWN: u8 = 3;

/// How far the body of one request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// No connection ever asked for it, and none will be given it any more.
    Withdrawn,
    /// A connection was given some or all of it.
    Leaving,
    /// A connection asked, and was refused the rest: the lease was too short. The length promised in the head was never
    /// reached, so that no server can have taken the request for complete.
    Refused,
}

/// The sender's end of a [`GuardedBody`].
#[derive(Clone)]
pub(super) struct Handle(Arc<AtomicU8>);

impl Handle {
    /// Says how far the body got. One that was not asked for yet never leaves after this: the HTTP client's connections are
    /// tasks of their own, and one of them may be about to ask while the caller gives up.
    pub(super) fn withdraw(&self) -> Progress {
        match self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(WITHDRAWN) => Progress::Withdrawn,
            Err(REFUSED) => Progress::Refused,
            Err(_) => Progress::Leaving,
        }
    }
}

/// A body of exact length. Its first poll fails unless the lease is good for a POST, each later one unless it is still held.
pub(super) struct GuardedBody {
    pieces: VecDeque<Bytes>,
    left: u64,
    lease: Lease,
    state: Arc<AtomicU8>,
}

/// The body's own error; the caller learns of it through the [`Handle`], not by its text.
#[derive(Debug, thiserror::Error)]
#[error("the lease is too short to hand the email over")]
pub(super) struct Withheld;

impl GuardedBody {
    /// `pieces`, one after the other; none of them is copied.
    pub(super) fn new(pieces: Vec<Bytes>, lease: Lease) -> (Self, Handle) {
        let pieces: VecDeque<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        let state = Arc::new(AtomicU8::new(WAITING));
        (Self { pieces, left, lease, state: state.clone() }, Handle(state))
    }

    /// Whether the next piece may leave.
    fn may_go_on(&self) -> bool {
        match self.state.compare_exchange(WAITING, LEAVING, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) if self.lease.still_good() => true,
            Err(LEAVING) if self.lease.held() => true,
            Ok(_) | Err(LEAVING) => {
                self.state.store(REFUSED, Ordering::Release);
                false
            }
            Err(_) => false,
        }
    }
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        if !self.may_go_on() {
            return Poll::Ready(Some(Err(Withheld)));
        }
        let piece = match self.pieces.front_mut() {
            Some(front) if front.len() > PIECE => Some(front.split_to(PIECE)),
            _ => self.pieces.pop_front(),
        };
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
