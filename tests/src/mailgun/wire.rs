//! HTTP/1.1, as much of it as a client of Mailgun speaks: one read and one write for a usual request.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::form::{self, Form};
use super::lists::Call;
use super::log::Asked;
use super::script::Ending;

/// Above Mailgun's own limit of 25 MB for a message.
const LARGEST_BODY: usize = 40 << 20;

/// A request to take a message.
#[derive(Clone, Debug)]
pub struct Post {
    head: Bytes,
    body: Bytes,
    email_id: String,
}

impl Post {
    fn new(head: Bytes, body: Bytes) -> Self {
        let mut post = Self { head, body, email_id: String::new() };
        post.email_id = post.field("v:email-id").unwrap_or_default();
        post
    }

    /// The sending domain in the path.
    pub fn domain(&self) -> &str {
        target(&self.head).and_then(|(_, path)| domain(path)).unwrap_or_default()
    }

    /// The email's own id, as `v:email-id` carries it; empty where the message has none.
    pub fn email_id(&self) -> &str {
        &self.email_id
    }

    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The first field of this name, without reading the rest of the form.
    pub fn field(&self, name: &str) -> Option<String> {
        form::field(self.content_type(), &self.body, name)
    }

    /// The whole form.
    pub fn form(&self) -> Form {
        Form::parse(self.content_type(), &self.body)
    }

    /// The emails that it is for: each one's id, and its `to`. A call for many has many.
    pub fn emails(&self) -> Vec<(String, String)> {
        match super::batch::each(self) {
            Some(all) => all.into_iter().map(|one| (one.email_id, one.to)).collect(),
            None => vec![(self.email_id.clone(), self.field("to").unwrap_or_default())],
        }
    }

    /// Whether it is a call for many.
    pub fn is_batch(&self) -> bool {
        self.field("recipient-variables").is_some()
    }

    /// The id Mailgun answers: the message's own where it has one.
    pub(super) fn message_id(&self) -> String {
        if let Some(first) = super::batch::each(self).and_then(|all| all.into_iter().next()) {
            // One for all of them, and of Mailgun's making.
            return format!("<batch.{}@{}>", first.email_id, self.domain());
        }
        self.field("h:Message-Id").unwrap_or_else(|| format!("<{}@{}>", self.email_id, self.domain()))
    }

    fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }
}

/// What somebody asked of the fake.
pub(super) enum Request {
    Message(Post),
    Stats,
    Log(Asked),
    List(Call),
    /// Nothing of these: the status and the text to answer.
    Other(u16, &'static str),
}

impl Request {
    fn new(head: Bytes, body: Bytes) -> Self {
        match target(&head) {
            Some(("POST", path)) if domain(path).is_some() => Request::Message(Post::new(head, body)),
            Some(("GET", "/stats")) => Request::Stats,
            Some((method, path)) => match (Call::read(method, path, &body), Asked::read(method, path, &body)) {
                (Some(call), _) => Request::List(call),
                (None, Some(asked)) => Request::Log(asked),
                (None, None) => Request::Other(404, "404 page not found"),
            },
            None => Request::Other(404, "404 page not found"),
        }
    }
}

/// One client's connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Refused on a socket that is already gone, which the next read notices.
        stream.set_nodelay(true).ok();
        Self { stream, buffer: BytesMut::with_capacity(8 << 10) }
    }

    /// No request has begun.
    pub(super) fn idle(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next request; `None` when the client has closed. What was read is kept if this is dropped midway.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = end + 4;
                let Some(length) = body_length(&self.buffer[..head]) else {
                    self.buffer.clear();
                    return Ok(Some(Request::Other(411, "a length is required")));
                };
                while self.buffer.len() < head + length {
                    self.buffer.reserve(head + length - self.buffer.len());
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        return Ok(None);
                    }
                }
                let head = self.buffer.split_to(head).freeze();
                let body = self.buffer.split_to(length).freeze();
                return Ok(Some(Request::new(head, body)));
            }
            self.buffer.reserve(8 << 10);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Answers, and keeps the connection.
    pub(super) async fn respond(&mut self, status: u16, headers: &[(&str, String)], body: &[u8]) -> io::Result<Ending> {
        let mut answer = format!("HTTP/1.1 {status} \r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            answer.push_str("content-type: application/json\r\n");
        }
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        let mut answer = answer.into_bytes();
        answer.extend_from_slice(body);
        self.stream.write_all(&answer).await?;
        Ok(Ending::Open)
    }

    /// Answers 200 and closes amid the body.
    pub(super) async fn respond_half(&mut self, body: &[u8]) -> io::Result<Ending> {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut answer = head.into_bytes();
        answer.extend_from_slice(&body[..body.len() / 2]);
        self.stream.write_all(&answer).await?;
        Ok(Ending::Closed)
    }

    /// Says nothing until the client gives up.
    pub(super) async fn closed_by_client(&mut self) -> io::Result<Ending> {
        while self.stream.read_buf(&mut self.buffer).await? != 0 {
            self.buffer.clear();
        }
        Ok(Ending::Closed)
    }
}

/// Method and path.
fn target(head: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let (method, rest) = line.split_once(' ')?;
    Some((method, rest.split_once(' ')?.0))
}

/// The domain of `/v3/{domain}/messages`.
fn domain(path: &str) -> Option<&str> {
    path.strip_prefix("/v3/")?.strip_suffix("/messages").filter(|domain| !domain.is_empty() && !domain.contains('/'))
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(head).ok()?.lines().skip(1);
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The body's length; `None` where it is not said beforehand, as Mailgun's clients always do, or is too large.
fn body_length(head: &[u8]) -> Option<usize> {
    match header(head, "content-length") {
        Some(length) => length.parse().ok().filter(|length| *length <= LARGEST_BODY),
        None => header(head, "transfer-encoding").is_none().then_some(0),
    }
}
