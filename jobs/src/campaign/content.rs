//! Whether what a campaign says can be rendered, asked when it is made and again when it is frozen.

use crate::accept::Complaint;
use crate::content::Parts;
use crate::render::{Part, Said, Template};

/// What can't be compiled, each with the way to its field.
pub(super) fn complaints(parts: &Parts) -> Vec<Complaint> {
    let said = Said::of(&parts.head, parts.html.as_deref(), parts.text.as_deref());
    let complaint = |flaw: crate::render::Flaw| {
        let inline = |field: &str| ["content", "inline", field].map(str::to_owned).to_vec();
        let path = match &flaw.part {
            Part::Subject => inline("subject"),
            Part::Html => inline("html"),
            Part::Text => inline("text"),
            Part::Header(name) => vec!["headers".to_owned(), name.clone()],
        };
        Complaint { path, message: flaw.to_string() }
    };
    Template::checked(said).err().unwrap_or_default().into_iter().map(complaint).collect()
}
