//! The files that travel with an email: named without a path, of a media type, in base64.

use base64::Engine;
use entity::content::AttachmentHead;

use super::{Draft, Reading};

/// All attachments together, decoded.
pub const MOST_ATTACHED: usize = 10 * 1024 * 1024;

impl Draft {
    pub(super) fn check_attachments(&self, reading: &mut Reading) -> Vec<AttachmentHead> {
        let mut heads = Vec::with_capacity(self.attachments.len());
        let mut all = 0;
        for (i, attachment) in self.attachments.iter().enumerate() {
            let at = i.to_string();
            let name = &attachment.filename;
            if name.is_empty() || name.len() > 255 || name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) {
                reading.complain(&["attachments", &at, "filename"], "must be a file's name without a path");
            }
            if !is_media_type(&attachment.content_type) {
                reading.complain(&["attachments", &at, "contentType"], "must be a media type such as application/pdf");
            }
            match base64::engine::general_purpose::STANDARD.decode(&attachment.base64) {
                Ok(bytes) => {
                    all += bytes.len();
                    heads.push(AttachmentHead {
                        filename: name.clone(),
                        content_type: attachment.content_type.clone(),
                        size: bytes.len() as u64,
                    });
                }
                Err(_) => reading.complain(&["attachments", &at, "base64"], "is not base64"),
            }
        }
        if all > MOST_ATTACHED {
            reading.complain(&["attachments"], format!("are larger than {} MiB together", MOST_ATTACHED >> 20));
        }
        heads
    }
}

/// RFC 6838, 4.2: a type and a subtype of restricted names, perhaps with parameters.
fn is_media_type(text: &str) -> bool {
    let restricted = |name: &str| {
        !name.is_empty()
            && name.len() <= 127
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    parameters.bytes().all(|b| (32..=126).contains(&b))
        && essence.trim().split_once('/').is_some_and(|(kind, sub)| restricted(kind) && restricted(sub))
}
