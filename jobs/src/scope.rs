//! The small ids of campaign × sending domain. They never change once given, so what was read once is remembered.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::error::Result;
use crate::rows::Rows;
use crate::store::{Store, execute, rows};

/// A campaign on a sending domain, or the single emails of a sending domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub id: i32,
    pub campaign: Option<Uuid>,
    pub domain: String,
}

/// All scopes this process has met.
#[derive(Default)]
pub struct Scopes(RwLock<Known>);

#[derive(Default)]
struct Known {
    by_id: HashMap<i32, Arc<Scope>>,
    by_pair: HashMap<(Uuid, String), i32>,
}

impl Scopes {
    /// The scope with this id.
    ///
    /// # Errors
    /// The database's own, also when there is none.
    pub async fn get(&self, db: &impl ConnectionTrait, store: &Store, id: i32) -> Result<Arc<Scope>> {
        if let Some(scope) = self.read().by_id.get(&id) {
            return Ok(scope.clone());
        }
        let text = "SELECT id, campaign_id, sending_domain FROM email_scopes WHERE id = $1";
        let found = rows(db, store.sql(text, [Value::from(id)])).await?;
        let row = found.first().ok_or_else(|| sea_orm::DbErr::RecordNotFound(format!("scope {id}")))?;
        Ok(self.remember(id, row.try_get("", "campaign_id")?, row.try_get("", "sending_domain")?))
    }

    /// The ids of these pairs, made where there are none yet, in a transaction of their own: an id that nobody uses harms
    /// nobody, and accepting never waits for another group's new campaign.
    ///
    /// # Errors
    /// The database's own.
    pub async fn ids(&self, store: &Store, pairs: &[(Option<Uuid>, String)]) -> Result<Vec<i32>> {
        let key = |(campaign, domain): &(Option<Uuid>, String)| (campaign.unwrap_or_default(), domain.clone());
        let mut missing: Vec<(Uuid, String)> = {
            let known = self.read();
            pairs.iter().map(key).filter(|pair| !known.by_pair.contains_key(pair)).collect()
        };
        if !missing.is_empty() {
            missing.sort_unstable();
            missing.dedup();
            self.make(store, missing).await?;
        }
        let known = self.read();
        Ok(pairs.iter().map(|pair| known.by_pair.get(&key(pair)).copied().unwrap_or_default()).collect())
    }

    async fn make(&self, store: &Store, pairs: Vec<(Uuid, String)>) -> Result<()> {
        // The nil UUID means "no campaign" here, and a nil travels as NULL: it is put back on arrival.
        let values = || {
            Rows::new().uuid("campaign", pairs.iter().map(|p| p.0)).text("domain", pairs.iter().map(|p| p.1.clone()))
        };
        let nil = Value::from(Uuid::nil());
        let text = "INSERT INTO email_scopes (campaign_id, sending_domain) SELECT coalesce(v.campaign, $1), v.domain \
                    FROM {rows} AS v WHERE true ON CONFLICT (campaign_id, sending_domain) DO NOTHING";
        execute(store.write(), store.sql_rows(text, [nil.clone()], values())).await?;
        let text = "SELECT s.id, s.campaign_id, s.sending_domain FROM email_scopes s JOIN {rows} AS v \
                    ON s.campaign_id = coalesce(v.campaign, $1) AND s.sending_domain = v.domain";
        for row in rows(store.write(), store.sql_rows(text, [nil], values())).await? {
            self.remember(row.try_get("", "id")?, row.try_get("", "campaign_id")?, row.try_get("", "sending_domain")?);
        }
        Ok(())
    }

    fn remember(&self, id: i32, campaign: Uuid, domain: String) -> Arc<Scope> {
        let scope = Arc::new(Scope { id, campaign: (!campaign.is_nil()).then_some(campaign), domain: domain.clone() });
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.by_id.insert(id, scope.clone());
        known.by_pair.insert((campaign, domain), id);
        scope
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
