//! A connection that waits, but not for ever: a request's head has so long from its first byte, and an answer has to be taken at
//! a pace. Bodies are not timed here, since who reads them knows how large they may be.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Pace;

/// Whose turn it is on a connection: the client's, or ours while a request is answered.
#[derive(Debug, Default)]
pub struct Turn {
    begun: AtomicU64,
    ended: AtomicU64,
    /// It carries something else than requests now, whose pace is not ours to know.
    upgraded: AtomicBool,
}

impl Turn {
    /// The head of a request has come.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    /// Its answer is there.
    pub fn end(&self, upgraded: bool) {
        self.upgraded.store(upgraded, Ordering::Release);
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Any request has come.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire) > 0
    }

    /// The number of the request whose head is awaited; `None` while one is answered.
    fn awaits(&self) -> Option<u64> {
        let begun = self.begun.load(Ordering::Acquire);
        let idle = begun == self.ended.load(Ordering::Acquire);
        (idle && !self.upgraded.load(Ordering::Acquire)).then_some(begun)
    }
}

/// A connection, and what is held for as long as it is open.
pub struct Patient<Io, Held> {
    io: Io,
    turn: Arc<Turn>,
    pace: Pace,
    /// The request whose head has begun to come, and when it has to be there.
    head: Option<(u64, Pin<Box<Sleep>>)>,
    blocked: Option<Blocked>,
    _held: Held,
}

/// The other end takes nothing for the moment.
struct Blocked {
    since: Instant,
    /// What it has taken since.
    written: u64,
    deadline: Pin<Box<Sleep>>,
}

impl<Io, Held> Patient<Io, Held> {
    /// One on which nothing was said yet.
    pub fn new(io: Io, turn: Arc<Turn>, pace: Pace, held: Held) -> Self {
        Self { io, turn, pace, head: None, blocked: None, _held: held }
    }

    /// After so much of `offered` bytes was taken, or nothing for now.
    fn wrote(
        &mut self,
        task: &mut Context<'_>,
        taken: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        let pace = self.pace;
        match &taken {
            Poll::Ready(Ok(n)) if *n >= offered => self.blocked = None,
            Poll::Ready(Ok(n)) => {
                if let Some(blocked) = &mut self.blocked {
                    blocked.written = blocked.written.saturating_add(*n as u64);
                    let earned = Duration::from_secs_f64(blocked.written as f64 / f64::from(pace.rate));
                    blocked.deadline.as_mut().reset(blocked.since + pace.write + earned);
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let since = Instant::now();
                let fresh = || Blocked { since, written: 0, deadline: Box::pin(sleep_until(since + pace.write)) };
                ready!(self.blocked.get_or_insert_with(fresh).deadline.as_mut().poll(task));
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not taken")));
            }
        }
        taken
    }
}

impl<Io: AsyncRead + Unpin, Held: Unpin> AsyncRead for Patient<Io, Held> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let awaited = this.turn.awaits();
        // The head of another request, which came: it has its end.
        this.head.take_if(|(begun, _)| Some(*begun) != awaited);
        if let Some((_, deadline)) = &mut this.head
            && deadline.as_mut().poll(task).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the head did not come")));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(task, buf))?;
        if let (Some(awaited), None) = (awaited, &this.head)
            && buf.filled().len() > before
        {
            // Polled when there is nothing more to read.
            this.head = Some((awaited, Box::pin(sleep(this.pace.head))));
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin, Held: Unpin> AsyncWrite for Patient<Io, Held> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = Pin::new(&mut this.io).poll_write(task, buf);
        this.wrote(task, taken, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = Pin::new(&mut this.io).poll_write_vectored(task, bufs);
        this.wrote(task, taken, bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn connection() -> (Patient<DuplexStream, ()>, DuplexStream, Arc<Turn>) {
        let (ours, theirs) = duplex(1_024);
        let turn = Arc::new(Turn::default());
        (Patient::new(ours, turn.clone(), Pace::default(), ()), theirs, turn)
    }

    async fn reads(connection: &mut Patient<DuplexStream, ()>) -> io::Result<usize> {
        timeout(LONG, connection.read(&mut [0; 16])).await.expect("it is not waited for so long")
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_in_is_cut_off() {
        let (mut connection, mut client, _) = connection();
        let trickle = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let begun = Instant::now();
        let error = loop {
            if let Err(error) = reads(&mut connection).await {
                break error;
            }
        };
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 10));
        trickle.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_is_not_cut_off_by_this_nor_is_one_whose_request_is_answered() {
        let (mut connection, mut client, turn) = connection();
        assert!(timeout(LONG, connection.read(&mut [0; 16])).await.is_err(), "that is a matter of the idle time");
        client.write_all(b"head").await.unwrap();
        reads(&mut connection).await.unwrap();
        turn.begin();
        assert!(timeout(LONG, connection.read(&mut [0; 16])).await.is_err(), "a body");
        turn.end(false);
        assert!(timeout(LONG, connection.read(&mut [0; 16])).await.is_err(), "idle again");
        client.write_all(b"next").await.unwrap();
        reads(&mut connection).await.unwrap();
        assert_eq!(reads(&mut connection).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_head_ends_with_it_though_nothing_was_read_meanwhile() {
        let (mut connection, mut client, turn) = connection();
        client.write_all(b"head").await.unwrap();
        reads(&mut connection).await.unwrap();
        turn.begin();
        turn.end(false);
        assert!(timeout(LONG, connection.read(&mut [0; 16])).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_has_a_pace_of_its_own() {
        let (mut connection, mut client, turn) = connection();
        turn.begin();
        turn.end(true);
        client.write_all(b"frame").await.unwrap();
        reads(&mut connection).await.unwrap();
        assert!(timeout(LONG, connection.read(&mut [0; 16])).await.is_err());
    }

    /// How long it takes until `answer` bytes are written or given up, when the client takes `piece` bytes each second.
    async fn written(answer: usize, piece: usize) -> (bool, u64) {
        let (mut connection, mut client, _) = connection();
        let reader = tokio::spawn(async move {
            let mut piece = vec![0; piece];
            loop {
                sleep(Duration::from_secs(1)).await;
                if !piece.is_empty() && client.read_exact(&mut piece).await.is_err() {
                    return;
                }
            }
        });
        let begun = Instant::now();
        let done = timeout(LONG, connection.write_all(&vec![0; answer])).await.expect("it is not waited for so long");
        drop(connection);
        reader.abort();
        (done.is_ok(), begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_given_up() {
        assert_eq!(written(1_000, 0).await, (true, 0), "it fits into what is on the way");
        assert_eq!(written(100_000, 0).await, (false, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_trickles_out_is_given_up_and_one_that_goes_slowly_is_not() {
        let (done, after) = written(1_000_000, 512).await;
        assert!(!done && (10..=12).contains(&after), "{after}");
        let (done, after) = written(400_000, 8 << 10).await;
        assert!(done && after > 30, "{after}");
    }
}
