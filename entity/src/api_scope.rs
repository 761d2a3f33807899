//! What a caller may do: a set of scopes, kept as one small number.

use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

/// Something that a caller may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "UPPERCASE")]
#[repr(i32)]
pub enum ApiScope {
    /// Read everything but contents and metadata. A caller who may only read sees addresses masked.
    Read = 1,
    /// Have an address shown that is masked for whoever may only read, one at a time, for a reason, and noted in the audit log.
    Reveal = 16,
    /// Send emails.
    Send = 2,
    /// Control what was sent: cancel, retry, pause, clean, suppress. Includes READ.
    Manage = 4,
    /// Everything, API keys included.
    Admin = 8,
}

impl ApiScope {
    /// All of them, the least first.
    pub const ALL: [ApiScope; 5] =
        [ApiScope::Read, ApiScope::Reveal, ApiScope::Send, ApiScope::Manage, ApiScope::Admin];

    /// Its name in the API, in tokens and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ApiScope::Read => "READ",
            ApiScope::Reveal => "REVEAL",
            ApiScope::Send => "SEND",
            ApiScope::Manage => "MANAGE",
            ApiScope::Admin => "ADMIN",
        }
    }

    /// The scope of this name, in capitals or not.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name().eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for ApiScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The scopes that somebody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeriveValueType)]
pub struct ApiScopes(i32);

impl ApiScopes {
    /// Everything.
    pub const ADMIN: ApiScopes = ApiScopes(ApiScope::Admin as i32);

    /// The scopes of a stored number; bits that stand for none are dropped.
    pub fn from_bits(bits: i32) -> Self {
        ApiScope::ALL.into_iter().filter(|scope| bits & *scope as i32 != 0).collect()
    }

    /// The number to store.
    pub fn bits(self) -> i32 {
        self.0
    }

    /// Whether they allow `scope`: ADMIN allows all, MANAGE allows READ.
    pub fn allow(self, scope: ApiScope) -> bool {
        let enough = match scope {
            ApiScope::Read => ApiScope::Read as i32 | ApiScope::Manage as i32,
            ApiScope::Reveal | ApiScope::Send | ApiScope::Manage | ApiScope::Admin => scope as i32,
        };
        self.0 & (enough | ApiScope::Admin as i32) != 0
    }

    /// Whether addresses are shown in full, and contents at all: to whoever may send, manage or administer.
    pub fn see_addresses(self) -> bool {
        [ApiScope::Send, ApiScope::Manage, ApiScope::Admin].into_iter().any(|scope| self.allow(scope))
    }

    /// Those that were given, the least first; what they include is not named.
    pub fn given(self) -> impl Iterator<Item = ApiScope> {
        ApiScope::ALL.into_iter().filter(move |scope| self.0 & *scope as i32 != 0)
    }

    /// There are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<ApiScope> for ApiScopes {
    fn from_iter<I: IntoIterator<Item = ApiScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(given: &[ApiScope]) -> ApiScopes {
        given.iter().copied().collect()
    }

    #[test]
    fn a_scope_allows_itself_and_what_it_includes() {
        use ApiScope::{Admin, Manage, Read, Reveal, Send};
        let cases: [(&[ApiScope], &[ApiScope]); 7] = [
            (&[], &[]),
            (&[Read], &[Read]),
            (&[Reveal], &[Reveal]),
            (&[Send], &[Send]),
            (&[Manage], &[Read, Manage]),
            (&[Send, Manage], &[Read, Send, Manage]),
            (&[Admin], &[Read, Reveal, Send, Manage, Admin]),
        ];
        for (given, allowed) in cases {
            let found: Vec<ApiScope> = ApiScope::ALL.into_iter().filter(|scope| scopes(given).allow(*scope)).collect();
            assert_eq!(found, allowed, "{given:?}");
        }
    }

    #[test]
    fn addresses_are_masked_for_whoever_may_only_read() {
        assert!(!scopes(&[ApiScope::Read]).see_addresses());
        assert!(!scopes(&[ApiScope::Read, ApiScope::Reveal]).see_addresses(), "each is asked for by itself");
        for more in [ApiScope::Send, ApiScope::Manage, ApiScope::Admin] {
            assert!(scopes(&[ApiScope::Read, more]).see_addresses(), "{more}");
        }
    }

    #[test]
    fn scopes_are_read_back_as_they_were_stored() {
        for bits in 0..32 {
            assert_eq!(ApiScopes::from_bits(bits).bits(), bits);
        }
        assert_eq!(ApiScopes::from_bits(32), ApiScopes::default());
    }
}
