//! One-click unsubscribe (RFC 8058): the links that campaign mail carries, and what following one does.
//!
//! A link says itself whom it is about, sealed: it works after the email was cleaned away, shows no address to whoever reads a
//! log on its way, and can be made by nobody else. Its key is made once and lies under the keyring.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::SecondsFormat;
use entity::sealed::{DataKey, Wrapped};
use entity::suppression::Reason;
use entity::unsubscribe_key::{Entity, ID, Model, TABLE};
use sea_orm::{ActiveEnum, DbErr, EntityTrait, Value};
use serde_json::json;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::error::Result;
use crate::event::LogItem;
use crate::record::Recorder;
use crate::store::{execute, rows};
use crate::{Context, erase};

/// What links are sealed for.
const COLUMN: &str = "link";

/// The key, once it was asked for.
#[derive(Default)]
pub struct Key(OnceCell<DataKey>);

/// Whom a link is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The email it stands in.
    pub email: Uuid,
    /// The address's key form.
    pub target: String,
    /// The email was the sandbox's.
    pub sandbox: bool,
}

impl Link {
    /// What stands in the path, `/u/{token}`.
    ///
    /// # Errors
    /// The database's own; a key that can't be opened.
    pub async fn token(&self, ctx: &Context) -> Result<String> {
        let mut plain = Vec::with_capacity(17 + self.target.len());
        plain.push(u8::from(self.sandbox));
        plain.extend_from_slice(self.email.as_bytes());
        plain.extend_from_slice(self.target.as_bytes());
        Ok(URL_SAFE_NO_PAD.encode(key(ctx).await?.seal(TABLE, ID, COLUMN, &plain)))
    }

    /// The link of a token; `None` if it is none of ours.
    ///
    /// # Errors
    /// As [`Link::token`].
    pub async fn open(ctx: &Context, token: &str) -> Result<Option<Self>> {
        let Ok(sealed) = URL_SAFE_NO_PAD.decode(token) else { return Ok(None) };
        let Ok(plain) = key(ctx).await?.open(TABLE, ID, COLUMN, &sealed) else { return Ok(None) };
        Ok(Self::read(&plain))
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let (sandbox, rest) = plain.split_first()?;
        let (email, target) = rest.split_first_chunk::<16>()?;
        let target = String::from_utf8(target.to_vec()).ok()?;
        Some(Self { email: Uuid::from_bytes(*email), target, sandbox: *sandbox == 1 })
    }

    /// Records that the recipient wants no more: an event, and the suppression that follows from it, for ever. Done again
    /// while it holds, it changes nothing; after it was lifted, it suppresses anew.
    ///
    /// # Errors
    /// As [`Recorder::take`].
    pub async fn follow(&self, ctx: &Context, recorder: &Recorder) -> Result<()> {
        if self.holds(ctx).await? {
            return Ok(());
        }
        let now = ctx.clock.now();
        let told = json!({
            "event": "unsubscribed",
            "id": ctx.clock.id().simple().to_string(),
            "timestamp": now.to_rfc3339_opts(SecondsFormat::Micros, true),
            "recipient": self.target,
            "user-variables": { "email-id": self.email.to_string() },
        });
        recorder.take_from_recipient(LogItem::read(&told, "", now)).await?;
        Ok(())
    }

    /// The address is unsubscribed already.
    async fn holds(&self, ctx: &Context) -> Result<bool> {
        let marks = erase::marks_of(ctx, [self.target.as_str()]).await?;
        let mark = marks.into_keys().next().unwrap_or_else(|| self.target.clone());
        let text = "SELECT s.id FROM email_suppression_list s WHERE s.target IN ($1, $4) AND s.reason = $2 AND s.sandbox = $3 \
                    AND s.lifted_at IS NULL AND s.expires_at IS NULL";
        let reason = Value::from(Reason::Unsubscribe.to_value());
        let values = [Value::from(self.target.clone()), reason, Value::from(self.sandbox), Value::from(mark)];
        Ok(!rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?.is_empty())
    }
}

/// The key, which whoever needs it first makes.
async fn key(ctx: &Context) -> Result<&DataKey> {
    let open = async || {
        let row = match stored(ctx).await? {
            Some(row) => row,
            None => make(ctx).await?,
        };
        let wrapped = Wrapped { key_id: row.key_id, wrapped: row.wrapped_key };
        Ok(ctx.keyring.unwrap(&wrapped, TABLE, ID)?)
    };
    ctx.unsubscribe.0.get_or_try_init(open).await
}

async fn stored(ctx: &Context) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(ID).one(ctx.store.write()).await?)
}

/// Two processes may make one at once: what lies there then is what both use.
async fn make(ctx: &Context) -> Result<Model> {
    let (_, wrapped) = DataKey::generate(&ctx.keyring, TABLE, ID);
    let text = "INSERT INTO unsubscribe_keys (id, key_id, wrapped_key, created_at) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (id) DO NOTHING";
    let values = [ID.into(), wrapped.key_id.into(), wrapped.wrapped.into(), ctx.clock.now().into()];
    execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
    let made = stored(ctx).await?;
    Ok(made.ok_or_else(|| DbErr::RecordNotFound("the key of links to unsubscribe".into()))?)
}
