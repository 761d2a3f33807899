//! Reading a body without being filled up by it: how large it may be is known by who sends it before any of it is read, all
//! bodies under way are bounded together, and none may take for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use entity::{ApiScope, ApiScopes};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::refusal::Refusal;

const KIB: usize = 1024;
/// The largest body without a key: it is not read, but whoever sends it is told why.
pub const OF_A_STRANGER: usize = 256 * KIB;
/// Of a key that may only read.
const OF_A_READER: usize = 1024 * KIB;
/// Of one that may send: attachments of 10 MiB in base64, or many small emails in one call.
const OF_A_SENDER: usize = 16 * 1024 * KIB;
/// All bodies that are read or worked on at a moment.
const TOGETHER: usize = 64 * 1024 * KIB;
/// How long a body may take to come.
pub const TIME: Duration = Duration::from_secs(30);

/// The largest body that somebody with these scopes may send, in bytes.
pub fn most(scopes: ApiScopes) -> usize {
    let more = [ApiScope::Send, ApiScope::Manage, ApiScope::Admin].into_iter().any(|scope| scopes.allow(scope));
    if more { OF_A_SENDER } else { OF_A_READER }
}

/// The room that all bodies share.
pub struct Room(Arc<Semaphore>);

/// A body, and the room that it takes for as long as it is worked on.
pub struct Held {
    /// What came.
    pub bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(TOGETHER)
    }
}

impl Room {
    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / KIB)))
    }

    /// Reads a body of at most `most` bytes.
    ///
    /// # Errors
    /// Why it is not read.
    pub async fn read(&self, headers: &HeaderMap, body: Body, most: usize) -> Result<Held, Refusal> {
        // Nothing is unpacked, so that no small body becomes a large one.
        if headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity" && !coding.is_empty()) {
            return Err(Refusal::Packed);
        }
        let declared = declared(headers);
        if declared.is_some_and(|length| length > most) {
            return Err(Refusal::TooLarge(most));
        }
        // One that comes in chunks may turn out to be as large as it may be.
        let length = declared.unwrap_or(most);
        let kib = u32::try_from(length.div_ceil(KIB)).map_err(|_| Refusal::Full)?;
        let room = self.0.clone().try_acquire_many_owned(kib).map_err(|_| Refusal::Full)?;
        let bytes = Vec::with_capacity(declared.unwrap_or_default());
        let bytes = timeout(TIME, collect(body.into_data_stream(), bytes, most)).await.map_err(|_| Refusal::Slow)??;
        Ok(Held { bytes, _room: room })
    }
}

/// What `Content-Length` says.
pub fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(mut body: BodyDataStream, mut bytes: Vec<u8>, most: usize) -> Result<Vec<u8>, Refusal> {
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Refusal::Broken)?;
        if bytes.len() + chunk.len() > most {
            return Err(Refusal::TooLarge(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use std::convert::Infallible;

    use futures::stream;

    use super::*;

    fn length(bytes: usize) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, bytes.into())])
    }

    fn chunks(n: usize) -> Body {
        Body::from_stream(stream::iter((0..n).map(|_| Ok::<_, Infallible>(vec![b' '; KIB]))))
    }

    #[test]
    fn whoever_may_do_more_may_send_more() {
        use ApiScope::{Admin, Manage, Read, Send};
        let cases: [(&[ApiScope], usize); 6] = [
            (&[], 1 << 20),
            (&[Read], 1 << 20),
            (&[Send], 16 << 20),
            (&[Read, Send], 16 << 20),
            (&[Manage], 16 << 20),
            (&[Admin], 16 << 20),
        ];
        for (scopes, expected) in cases {
            assert_eq!(most(scopes.iter().copied().collect()), expected, "{scopes:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_refused_beyond_it() {
        let room = Room::default();
        let read = async |headers, body| room.read(&headers, body, 4 * KIB).await.map(|held| held.bytes.len());
        assert_eq!(read(HeaderMap::new(), chunks(4)).await, Ok(4 * KIB));
        assert_eq!(read(HeaderMap::new(), chunks(5)).await, Err(Refusal::TooLarge(4 * KIB)));
        assert_eq!(read(length(4 * KIB), chunks(4)).await, Ok(4 * KIB));
        // By what it says of itself, before any of it is read.
        let unread = Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
        assert_eq!(read(length(4 * KIB + 1), unread).await, Err(Refusal::TooLarge(4 * KIB)));
        let broken = Body::from_stream(stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("cut"))]));
        assert_eq!(read(HeaderMap::new(), broken).await, Err(Refusal::Broken));
    }

    #[tokio::test]
    async fn a_body_that_would_have_to_be_unpacked_is_not_read() {
        let coded = |coding: &str| HeaderMap::from_iter([(header::CONTENT_ENCODING, coding.parse().unwrap())]);
        for coding in ["gzip", "br", "zstd", "identity, gzip", "GZIP"] {
            let refused = Room::default().read(&coded(coding), chunks(1), KIB).await.err();
            assert_eq!(refused, Some(Refusal::Packed), "{coding}");
        }
        assert!(Room::default().read(&coded("identity"), chunks(1), KIB).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let silent = Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
        assert_eq!(Room::default().read(&HeaderMap::new(), silent, KIB).await.err(), Some(Refusal::Slow));
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_until_their_work_is_done() {
        let room = Room::of(10 * KIB);
        let declared = room.read(&length(6 * KIB - 1), chunks(5), 16 * KIB).await.unwrap();
        assert_eq!(room.read(&HeaderMap::new(), chunks(1), 5 * KIB).await.err(), Some(Refusal::Full));
        let chunked = room.read(&HeaderMap::new(), chunks(1), 4 * KIB).await.unwrap();
        assert_eq!(room.read(&length(1), chunks(1), 4 * KIB).await.err(), Some(Refusal::Full));
        drop((declared, chunked));
        assert!(room.read(&length(10 * KIB), chunks(10), 10 * KIB).await.is_ok());
    }
}
