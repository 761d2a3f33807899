//! A message's form: urlencoded, or multipart where it carries files.

use std::borrow::Cow;

use bytes::Bytes;

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As Mailgun names it, for example `o:tag`.
    pub name: String,
    /// What it holds.
    pub value: Bytes,
    /// The file name, where it is a file.
    pub file: Option<String>,
}

/// A whole form, in the order it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(pub Vec<Field>);

impl Form {
    pub(super) fn parse(content_type: &str, body: &Bytes) -> Self {
        match boundary(content_type) {
            Some(boundary) => Self(parts(body, boundary).collect()),
            None => Self(form_urlencoded::parse(body).map(|(name, value)| text(name, value)).collect()),
        }
    }

    /// The first text of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// All texts of this name.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |field| field.name == name);
        named.filter_map(|field| std::str::from_utf8(&field.value).ok())
    }

    /// The fields that are files.
    pub fn files(&self) -> impl Iterator<Item = &Field> {
        self.0.iter().filter(|field| field.file.is_some())
    }
}

/// The first field of this name, decoding no other's value.
pub(super) fn field(content_type: &str, body: &Bytes, name: &str) -> Option<String> {
    if let Some(boundary) = boundary(content_type) {
        let found = parts(body, boundary).find(|field| field.name == name)?;
        return Some(String::from_utf8_lossy(&found.value).into_owned());
    }
    let pair = body.split(|byte| *byte == b'&').find(|pair| {
        let key = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        key == name.as_bytes() || form_urlencoded::parse(key).next().is_some_and(|(key, _)| key == name)
    })?;
    form_urlencoded::parse(pair).next().map(|(_, value)| value.into_owned())
}

fn text(name: Cow<'_, str>, value: Cow<'_, str>) -> Field {
    Field { name: name.into_owned(), value: value.into_owned().into(), file: None }
}

fn boundary(content_type: &str) -> Option<&str> {
    let parameters = content_type.strip_prefix("multipart/form-data")?;
    parameters.split(';').find_map(|part| part.trim().strip_prefix("boundary=")).map(|value| value.trim_matches('"'))
}

/// The parts of a multipart body (RFC 7578).
fn parts<'a>(body: &'a Bytes, boundary: &str) -> impl Iterator<Item = Field> + 'a {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first delimiter has no line break before it.
    let mut rest = find(body, &delimiter[2..]).map(|at| body.slice(at + delimiter.len() - 2..));
    std::iter::from_fn(move || {
        let part = rest.take()?;
        let end = find(&part, &delimiter)?;
        rest = Some(part.slice(end + delimiter.len()..));
        let head_end = find(&part, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&part[..head_end]).into_owned();
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
        let parameter = |name: &str| {
            let value = disposition.split(';').find_map(|piece| piece.trim().strip_prefix(name)?.strip_prefix('='))?;
            Some(value.trim_matches('"').to_owned())
        };
        let value = part.slice(head_end + 4..end.max(head_end + 4));
        Some(Field { name: parameter("name")?, value, file: parameter("filename") })
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipart_form_gives_its_texts_and_files_back() {
        let body = Bytes::from_static(
            b"--b1\r\ncontent-disposition: form-data; name=\"to\"\r\n\r\na@example.com\r\n--b1\r\n\
            Content-Disposition: form-data; name=\"attachment\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\n\
            one\r\n--two\r\n--b1--\r\n",
        );
        let content_type = "multipart/form-data; boundary=b1";
        let form = Form::parse(content_type, &body);
        assert_eq!(form.text("to"), Some("a@example.com"));
        let files: Vec<_> = form.files().map(|field| (field.file.as_deref(), &field.value[..])).collect();
        assert_eq!(files, [(Some("a.txt"), &b"one\r\n--two"[..])]);
        assert_eq!(field(content_type, &body, "to").as_deref(), Some("a@example.com"));
    }

    #[test]
    fn a_field_is_found_whether_its_name_is_escaped_or_not() {
        for body in ["to=x&v%3Aemail-id=7%2B", "to=x&v:email-id=7%2B"] {
            let found = field("application/x-www-form-urlencoded", &Bytes::from_static(body.as_bytes()), "v:email-id");
            assert_eq!(found.as_deref(), Some("7+"), "{body}");
        }
    }
}
