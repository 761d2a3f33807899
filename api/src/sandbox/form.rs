//! The body of a request, urlencoded or multipart, as fields and files; of files only name, type and size are kept.

use std::io::Read as _;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use flate2::read::GzDecoder;
use futures::{StreamExt as _, stream};
use serde::Serialize;

use super::answer::Refusal;

/// Mailgun's limit on a whole request. It names it "52.4MiB"; the number is that of 50 MiB in megabytes.
pub(super) const REQUEST_LIMIT: usize = 52_428_800;

/// A form, its fields in the order sent.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) fields: Vec<(String, String)>,
    pub(super) files: Vec<File>,
}

/// An uploaded file without its content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct File {
    /// `attachment` or `inline`.
    pub(super) field: String,
    pub(super) name: String,
    pub(super) content_type: Option<String>,
    /// In bytes.
    pub(super) size: usize,
}

/// Reads the whole body, also one that is too large: a server that answers before it has read cuts off its client.
pub(super) async fn read(body: Body) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut size) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::UnexpectedEof)?;
        size += chunk.len();
        if size <= REQUEST_LIMIT {
            kept.extend_from_slice(&chunk);
        } else if size <= 2 * REQUEST_LIMIT {
            kept = Vec::new();
        } else {
            break;
        }
    }
    if size <= REQUEST_LIMIT { Ok(kept.into()) } else { Err(Refusal::TooLarge) }
}

/// The body as it was before its `Content-Encoding`; only gzip is known. Mailgun's limit is on what comes out.
pub(super) fn unpacked(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            let most = REQUEST_LIMIT as u64 + 1;
            GzDecoder::new(&body[..]).take(most).read_to_end(&mut plain).map_err(|_| Refusal::UnexpectedEof)?;
            if plain.len() <= REQUEST_LIMIT { Ok(plain.into()) } else { Err(Refusal::TooLarge) }
        }
        Some(_) => Err(Refusal::Encoding),
    }
}

impl<S: Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        Self::parse(&head.headers, read(body).await?).await
    }
}

impl Form {
    /// Takes the body apart as its `Content-Type` says.
    pub(super) async fn parse(headers: &HeaderMap, body: Bytes) -> Result<Self, Refusal> {
        let body = unpacked(headers, body)?;
        let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Self::urlencoded(&body),
            "multipart/form-data" => Self::multipart(declared, body).await,
            "" if body.is_empty() => Ok(Self::default()),
            _ => Err(Refusal::ContentType(essence)),
        }
    }

    fn urlencoded(body: &[u8]) -> Result<Self, Refusal> {
        let escapes = body.iter().enumerate().filter(|(_, byte)| **byte == b'%');
        for (at, _) in escapes {
            let digits = body.get(at + 1..at + 3).ok_or(Refusal::Escape)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(Refusal::Escape);
            }
        }
        let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        if fields.iter().any(|(name, _)| is_file_field(name)) {
            return Err(Refusal::ContentType("application/x-www-form-urlencoded".to_owned()));
        }
        Ok(Self { fields, files: Vec::new() })
    }

    async fn multipart(content_type: &str, body: Bytes) -> Result<Self, Refusal> {
        let boundary = multer::parse_boundary(content_type).map_err(|_| Refusal::Multipart)?;
        let whole = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
        let mut parts = multer::Multipart::new(whole, boundary);
        let mut form = Self::default();
        while let Some(mut part) = parts.next_field().await.map_err(|_| Refusal::Multipart)? {
            let field = part.name().unwrap_or_default().to_owned();
            // A MIME message comes with a file name or without one; its content is needed either way.
            if field != MIME && (is_file_field(&field) || part.file_name().is_some()) {
                let name = part.file_name().unwrap_or_default().to_owned();
                let content_type = part.content_type().map(ToString::to_string);
                let mut size = 0;
                while let Some(chunk) = part.chunk().await.map_err(|_| Refusal::Multipart)? {
                    size += chunk.len();
                }
                // Mailgun drops a file without a name, and says nothing.
                if !name.is_empty() {
                    form.files.push(File { field: bare(&field).to_owned(), name, content_type, size });
                }
            } else {
                let value = part.bytes().await.map_err(|_| Refusal::Multipart)?;
                form.fields.push((field, String::from_utf8_lossy(&value).into_owned()));
            }
        }
        Ok(form)
    }

    /// The first value of a field.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| bare(field) == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field, sent as `name` or `name[]`.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| bare(field) == name).map(|(_, value)| value.as_str())
    }
}

/// The field that holds a whole message in `messages.mime`.
pub(super) const MIME: &str = "message";

fn is_file_field(name: &str) -> bool {
    matches!(bare(name), "attachment" | "inline")
}

/// A field's name without the `[]` that some clients append to what may be repeated.
pub(super) fn bare(name: &str) -> &str {
    name.strip_suffix("[]").unwrap_or(name)
}
