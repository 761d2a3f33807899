//! The Mailgun mailer against a server of plain sockets that does what no HTTP library would.

#![expect(clippy::unwrap_used, reason = "tests may")]

mod batch;
mod fake;
mod written;

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use secrecy::SecretString;

use super::*;
use fake::{Fake, Reply, ok};

const FAR: Duration = Duration::from_secs(60);

fn good() -> Lease {
    Lease::starting_now(FAR, Duration::from_secs(25))
}

fn limits() -> PostLimits {
    PostLimits { post: Duration::from_secs(10), connect: Duration::from_secs(5), ..PostLimits::default() }
}

fn client() -> reqwest::ClientBuilder {
    // An error says that another test was faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

fn mailgun(base: &str, limits: PostLimits) -> Mailgun {
    Mailgun::with_client(client(), base, &SecretString::from("key-1"), limits).unwrap()
}

pub(crate) fn mail() -> Mail {
    Mail {
        email_id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001),
        campaign_id: None,
        unsubscribe: None,
        sending_domain: "mg.example.com".into(),
        from: "Ann <ann@example.com>".into(),
        to: "bob@example.net".into(),
        cc: vec![],
        bcc: vec![],
        reply_to: None,
        subject: "Hello".into(),
        html: Some("<p>Hi</p>".into()),
        text: None,
        headers: vec![],
        tags: vec![],
        tracking: None,
        test_mode: false,
        deliver_within: None,
        attachments: vec![],
    }
}

/// How large a batch is on its way.
pub(crate) fn batch_size(batch: &Batch) -> usize {
    form::batch_form(batch).pieces.iter().map(Bytes::len).sum()
}

fn file(size: usize) -> Attachment {
    Attachment {
        filename: "a.bin".into(),
        content_type: "application/octet-stream".into(),
        bytes: vec![b'x'; size].into(),
        inline: false,
    }
}

fn response(answer: Answer) -> (u16, String) {
    match answer {
        Answer::Response { status, body, .. } => (status, body),
        other => panic!("no response but {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_comes_with_its_status_hints_type_and_body() {
    let head = "HTTP/1.1 429 Slow\r\nContent-Type: application/json\r\nRetry-After: 7\r\nX-RateLimit-Reset: 99\r\n";
    let fake = Fake::start([Reply::Raw(format!("{head}Content-Length: 2\r\n\r\n{{}}").into())]).await;
    let answer = mailgun(&fake.base(), limits()).post(&mail(), good()).await;
    assert_eq!(
        answer,
        Answer::Response {
            status: 429,
            retry: RetryHint { retry_after: Some("7".into()), rate_limit_reset: Some("99".into()) },
            body: "{}".into(),
            content_type: Some("application/json".into()),
        }
    );
    assert_eq!(answer.http_status(), Some(429));
    let seen = fake.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].head.starts_with("POST /v3/mg.example.com/messages HTTP/1.1\r\n"), "{}", seen[0].head);
    assert!(seen[0].head.contains("authorization: Basic YXBpOmtleS0x\r\n"), "{}", seen[0].head);
    assert!(seen[0].head.contains(&format!("content-length: {}\r\n", seen[0].body.len())), "{}", seen[0].head);
}

#[tokio::test]
async fn the_base_url_may_end_with_a_slash_a_path_or_the_version() {
    for (end, path) in [
        ("", "/v3/mg.example.com/messages"),
        ("/", "/v3/mg.example.com/messages"),
        ("/v3", "/v3/mg.example.com/messages"),
        ("/v3/", "/v3/mg.example.com/messages"),
        ("/proxy", "/proxy/v3/mg.example.com/messages"),
    ] {
        let fake = Fake::start([ok()]).await;
        mailgun(&format!("{}{end}", fake.base()), limits()).post(&mail(), good()).await;
        assert!(fake.seen()[0].head.starts_with(&format!("POST {path} ")), "{end}: {}", fake.seen()[0].head);
    }
    for base in ["", "api.mailgun.net", "ftp://api.mailgun.net", "unix:/x"] {
        let made = Mailgun::with_client(client(), base, &SecretString::from("k"), limits());
        assert!(matches!(made, Err(MailgunError::Base)), "{base}");
    }
    for key in ["", "a\nb"] {
        let made = Mailgun::with_client(client(), "http://x", &SecretString::from(key), limits());
        assert!(matches!(made, Err(MailgunError::Key)));
    }
}

#[tokio::test]
async fn a_refused_connection_is_connect() {
    let fake = Fake::start([]).await;
    let base = fake.base();
    fake.stop().await;
    let answer = mailgun(&base, limits()).post(&mail(), good()).await;
    assert!(matches!(answer, Answer::Connect(ref why) if !why.contains("http://")), "{answer:?}");
}

#[tokio::test]
async fn tls_that_fails_or_hangs_is_connect() {
    let short = Duration::from_millis(100);
    let hang_connect = PostLimits { connect: short, ..limits() };
    let hang_post = PostLimits { post: short, ..limits() };
    for (reply, limits) in [(Reply::Hello, limits()), (Reply::Silent, hang_connect), (Reply::Silent, hang_post)] {
        let fake = Fake::start([reply]).await;
        let answer = mailgun(&fake.base().replace("http:", "https:"), limits).post(&mail(), good()).await;
        assert!(matches!(answer, Answer::Connect(_)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_found_is_connect() {
    let client = client().dns_resolver(Arc::new(Slow { lease: None, to: None }));
    let mailgun = Mailgun::with_client(client, "http://mailgun.test", &SecretString::from("key-1"), limits()).unwrap();
    assert!(matches!(mailgun.post(&mail(), good()).await, Answer::Connect(_)));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_timeout() {
    let fake = Fake::start([Reply::Silent]).await;
    let limits = PostLimits { post: Duration::from_secs(1), ..limits() };
    assert_eq!(mailgun(&fake.base(), limits).post(&mail(), good()).await, Answer::Timeout);
}

#[tokio::test]
async fn a_connection_closed_instead_of_an_answer_is_cut_and_nothing_is_repeated() {
    let fake = Fake::start([ok(), Reply::Close, ok()]).await;
    let mailgun = mailgun(&fake.base(), limits());
    assert_eq!(response(mailgun.post(&mail(), good()).await).0, 200);
    // The second goes over the connection that the first left open.
    let answer = mailgun.post(&mail(), good()).await;
    assert!(matches!(answer, Answer::Cut(ref why) if !why.contains("http://")), "{answer:?}");
    assert_eq!(fake.seen().len(), 2);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_costs_no_email() {
    let fake = Fake::start([ok().then_close(), ok()]).await;
    let mailgun = mailgun(&fake.base(), limits());
    for _ in 0..2 {
        assert_eq!(response(mailgun.post(&mail(), good()).await).0, 200);
        fake.closed().await;
    }
    assert_eq!((fake.seen().len(), fake.connections()), (2, 2));
}

#[tokio::test]
async fn an_answer_that_breaks_off_keeps_its_status() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n";
    let cut_after_head = Reply::Raw(head.into()).then_close();
    let cut_in_body = Reply::Raw(format!("{head}{{\"id\":").into()).then_close();
    let hang_in_body = Reply::Raw(format!("{head}{{\"id\":").into());
    for (reply, post) in [(cut_after_head, 10_000), (cut_in_body, 10_000), (hang_in_body, 1_000)] {
        let fake = Fake::start([reply]).await;
        let limits = PostLimits { post: Duration::from_millis(post), ..limits() };
        let answer = mailgun(&fake.base(), limits).post(&mail(), good()).await;
        assert_eq!(answer, Answer::BodyCut { status: 200 });
        assert_eq!(answer.http_status(), Some(200));
    }
    let fake = Fake::start([Reply::Raw("HTTP/1.1 200 OK\r\nContent-".into()).then_close()]).await;
    let answer = mailgun(&fake.base(), limits()).post(&mail(), good()).await;
    assert!(matches!(answer, Answer::Cut(_)), "a cut head has no status: {answer:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let fake = Fake::start([ok(), ok()]).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let to = format!("HTTP/1.1 {status}\r\nLocation: {}/v3/x/messages\r\nContent-Length: 0\r\n\r\n", fake.base());
        let redirecting = Fake::start([Reply::Raw(to.into())]).await;
        let (code, _) = response(mailgun(&redirecting.base(), limits()).post(&mail(), good()).await);
        assert_eq!(code.to_string(), status[..3]);
    }
    assert_eq!(fake.connections(), 0);
}

#[tokio::test]
async fn of_a_big_answer_16_kib_are_read() {
    let head = "HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n";
    let fake = Fake::start([Reply::Raw([head.as_bytes(), &vec![0xff; 1_000_000]].concat().into())]).await;
    let (status, body) = response(mailgun(&fake.base(), limits()).post(&mail(), good()).await);
    assert_eq!((status, body.chars().count()), (500, 16 * 1024));
    assert!(body.chars().all(|c| c == char::REPLACEMENT_CHARACTER));
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_counts() {
    let fake =
        Fake::start([Reply::Early("HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")]).await;
    let big = Mail { attachments: vec![file(30_000_000)], ..mail() };
    let answer = mailgun(&fake.base(), limits()).post(&big, good()).await;
    assert!(matches!(answer, Answer::Response { status: 413, .. } | Answer::Cut(_)), "{answer:?}");
}

#[tokio::test]
async fn a_lease_that_is_short_before_the_post_opens_no_connection() {
    let fake = Fake::start([ok()]).await;
    let short = Lease::starting_now(Duration::from_secs(20), Duration::from_secs(25));
    assert_eq!(mailgun(&fake.base(), limits()).post(&mail(), short).await, Answer::NotHandedOver);
    assert_eq!(fake.connections(), 0);
}

/// Finds the name only when the lease has become too short for a POST, or never.
struct Slow {
    lease: Option<Lease>,
    to: Option<SocketAddr>,
}

impl Resolve for Slow {
    fn resolve(&self, _: Name) -> Resolving {
        let (lease, to) = (self.lease, self.to);
        Box::pin(async move {
            while lease.is_some_and(|lease| lease.still_good()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let to = to.ok_or("no such name")?;
            Ok(Box::new(std::iter::once(to)) as Addrs)
        })
    }
}

#[tokio::test]
async fn a_lease_that_becomes_short_while_connecting_sends_no_body() {
    let fake = Fake::start([ok()]).await;
    let margin = Duration::from_secs(60);
    let lease = Lease::starting_now(margin + Duration::from_secs(1), margin);
    let client = client().dns_resolver(Arc::new(Slow { lease: Some(lease), to: Some(fake.address()) }));
    let base = format!("http://mailgun.test:{}", fake.address().port());
    let mailgun = Mailgun::with_client(client.no_proxy(), &base, &SecretString::from("key-1"), limits()).unwrap();
    assert_eq!(mailgun.post(&mail(), lease).await, Answer::NotHandedOver);
    fake.closed().await;
    assert_eq!(fake.connections(), 1, "the connection was open and asked for the body");
    assert!(fake.seen().iter().all(|request| !request.complete && request.body.is_empty()), "{:?}", fake.seen());
}

#[tokio::test]
async fn a_connection_that_failed_once_the_lease_is_short_is_no_word_about_mailgun() {
    let lease = Lease::starting_now(FAR, FAR - Duration::from_millis(200));
    let client = client().dns_resolver(Arc::new(Slow { lease: Some(lease), to: None }));
    let mailgun = Mailgun::with_client(client, "http://mailgun.test", &SecretString::from("key-1"), limits()).unwrap();
    assert_eq!(mailgun.post(&mail(), lease).await, Answer::NotHandedOver);
}

#[tokio::test]
async fn a_lease_that_runs_out_amid_a_large_body_leaves_the_request_incomplete() {
    // More than the sockets' buffers hold.
    let big = Mail { attachments: vec![file(30_000_000)], ..mail() };
    let lease = Lease::starting_now(Duration::from_secs(2), Duration::ZERO);
    let fake = Fake::start([Reply::ReadWhenOver(lease)]).await;
    assert_eq!(mailgun(&fake.base(), limits()).post(&big, lease).await, Answer::NotHandedOver);
    fake.closed().await;
    let seen = fake.seen();
    assert!(seen.len() == 1 && !seen[0].complete && !seen[0].body.is_empty(), "{seen:?}");
}

#[test]
fn a_body_that_was_withdrawn_never_leaves() {
    use body::{GuardedBody, Progress};
    use futures::FutureExt as _;
    use http_body::Body as _;
    fn poll(body: &mut GuardedBody) -> Option<bool> {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx));
        frame.now_or_never().unwrap().map(|frame| frame.is_ok())
    }
    let pieces = || vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from(vec![0; 100_000])];

    let (mut body, handle) = GuardedBody::new(pieces(), good());
    assert_eq!(body.size_hint().exact(), Some(100_002));
    assert_eq!(handle.withdraw(), Progress::Withdrawn);
    assert_eq!(poll(&mut body), Some(false));
    assert_eq!(handle.withdraw(), Progress::Withdrawn);

    let (mut body, handle) = GuardedBody::new(pieces(), good());
    assert_eq!((poll(&mut body), handle.withdraw()), (Some(true), Progress::Leaving));
    assert_eq!(body.size_hint().exact(), Some(100_000));
    assert_eq!((poll(&mut body), poll(&mut body)), (Some(true), Some(true)));
    assert_eq!((body.is_end_stream(), poll(&mut body)), (true, None));

    let (mut body, handle) = GuardedBody::new(pieces(), Lease::starting_now(FAR, FAR));
    assert_eq!((poll(&mut body), handle.withdraw()), (Some(false), Progress::Refused));
    assert_eq!(poll(&mut body), Some(false));
}

#[test]
fn debug_shows_ids_and_sizes_alone() {
    let shown = format!("{:?} {:?}", Mail { attachments: vec![file(3)], ..mail() }, file(3));
    assert!(shown.contains("01900000-0000-7000-8000-000000000001") && shown.contains('3'), "{shown}");
    assert!(["ann@", "bob@", "Hello", "Hi", "a.bin"].iter().all(|word| !shown.contains(word)), "{shown}");
}
