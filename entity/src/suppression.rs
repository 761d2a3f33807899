//! `email_suppression_list`: addresses and domains that must not be mailed, one row for each reason. What the rows follow from
//! stands in [`crate::suppression_fact`].

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AddressError, EmailAddress};

/// One entry. An address is blocked while any of its entries, or of its domain's, is active.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_suppression_list")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// An address key, or a domain in ASCII.
    pub target: String,
    pub reason: Reason,
    /// Entries born in the sandbox bind the sandbox alone.
    pub sandbox: bool,
    pub note: Option<String>,
    pub bounce_type: Option<BounceType>,
    pub source: Source,
    /// The delivery event it follows from.
    pub event_id: Option<Uuid>,
    /// When what it follows from happened; the latest, where there are several.
    pub occurred_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Set while a lift is later than everything that suppressed.
    pub lifted_at: Option<DateTime<Utc>>,
    /// Expired and out of the lists; it stays for the history.
    pub archived_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// It blocks at `now`.
    pub fn active_at(&self, now: DateTime<Utc>) -> bool {
        self.lifted_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// Whom an entry binds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One address.
    Address(EmailAddress),
    /// Every address at a domain, in ASCII; not those at its subdomains.
    Domain(String),
}

impl Target {
    /// Reads an address, or a domain where there is no `@`.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.contains('@') {
            return EmailAddress::parse(text).map(Target::Address);
        }
        // A domain is what may stand behind the @ of an address: the same rules, the same words.
        EmailAddress::parse(&format!("postmaster@{text}")).map(|address| Target::Domain(address.domain().to_owned()))
    }

    /// The column `target`: an address key, or the domain.
    pub fn key(&self) -> String {
        match self {
            Target::Address(address) => address.key(),
            Target::Domain(domain) => domain.clone(),
        }
    }
}

/// What an entry binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "SuppressionScope")]
pub enum Scope {
    /// One address.
    Address,
    /// Every address at a domain.
    Domain,
}

impl Scope {
    /// By the column `target`.
    pub fn of(target: &str) -> Self {
        if target.contains('@') { Scope::Address } else { Scope::Domain }
    }
}

/// Why an address must not be mailed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[graphql(name = "SuppressionReason")]
#[repr(i16)]
pub enum Reason {
    /// Mail to it came back.
    Bounce = 0,
    /// Its owner reported spam.
    Complaint = 1,
    /// Its owner opted out; an email sent as transactional passes this one alone.
    Unsubscribe = 2,
    /// Somebody entered it by hand.
    Manual = 3,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 4] = [Reason::Bounce, Reason::Complaint, Reason::Unsubscribe, Reason::Manual];

    /// Its name, as the API has it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Bounce => "BOUNCE",
            Reason::Complaint => "COMPLAINT",
            Reason::Unsubscribe => "UNSUBSCRIBE",
            Reason::Manual => "MANUAL",
        }
    }
}

/// Whether mail to an address can't arrive or only did not.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[repr(i16)]
pub enum BounceType {
    /// There is no such mailbox: for ever.
    Hard = 0,
    /// For now: 7 days.
    Soft = 1,
}

/// Where an entry comes from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[graphql(name = "SuppressionSource")]
#[repr(i16)]
pub enum Source {
    /// Somebody asked for it.
    Manual = 0,
    /// Mailgun reported what became of mail to it.
    Event = 1,
    /// It stands in Mailgun's own list.
    Provider = 2,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_an_at_is_an_address_and_what_has_none_a_domain() {
        let cases = [
            ("Ann@Example.com", Ok("ann@example.com")),
            (" example.COM ", Ok("example.com")),
            ("b\u{fc}cher.example", Ok("xn--bcher-kva.example")),
            ("", Err(AddressError::Empty)),
            ("@example.com", Err(AddressError::NoLocalPart)),
            ("ann@", Err(AddressError::NoDomain)),
            ("example..com", Err(AddressError::DomainDots)),
            ("192.0.2.1", Err(AddressError::DomainLiteral)),
        ];
        for (text, expected) in cases {
            let key = Target::parse(text).map(|target| target.key());
            assert_eq!(key.as_deref(), expected.as_ref().copied(), "{text:?}");
        }
    }
}
