//! `mailmind restored`: a database that came from a backup may hold emails that were sent since. Holds them until Mailgun's log
//! has told which.

use chrono::{DateTime, SecondsFormat, Utc};
use jobs::Context;
use jobs::restored::{self, Restored};
use serde_json::json;

use crate::config::Setup;
use crate::failure::Failure;
use crate::{audit, schema, serve};

/// Holds everything, and says how far Mailgun's log was read; with `resume` lets the queue go on where it was read far enough.
///
/// # Errors
/// The database's own; with `resume` also where it is too early, or where it can't be known what was sent.
pub async fn restored(setup: &Setup, resume: bool) -> Result<(), Failure> {
    let store = serve::connect(setup).await?;
    match migration::pending(store.read()).await? {
        0 => {}
        pending => return Err(Failure::Pending(pending)),
    }
    let ctx = serve::context(setup, store).await?;
    audit::noted(&ctx.store, &ctx.clock, "restored", json!({ "resume": resume }), async |_| {
        done(setup, &ctx, resume).await
    })
    .await
}

async fn done(setup: &Setup, ctx: &Context, resume: bool) -> Result<(), Failure> {
    let held = if resume { restored::look(ctx).await? } else { Some(restored::hold(ctx).await?) };
    let held = held.ok_or(Failure::NotRestored)?;
    tell(setup, &held);
    if !resume {
        return Ok(());
    }
    if !restored::resume(ctx, &held).await? {
        return Err(Failure::NotKnown);
    }
    println!("the queue goes on");
    Ok(())
}

fn tell(setup: &Setup, held: &Restored) {
    println!("held since {}: nothing is sent, emails are accepted and wait", time(held.since));
    for domain in &held.domains {
        let how = match domain.through {
            _ if !setup.settings.domains.contains(&domain.name) => {
                "is not in MAILGUN_DOMAIN, so that its log is not read".to_owned()
            }
            Some(_) if domain.read && held.gap => "Mailgun's log was read, perhaps not from the backup on".to_owned(),
            Some(_) if domain.read => "what was sent is known".to_owned(),
            Some(through) => format!("Mailgun's log was read up to {}", time(through)),
            None => "Mailgun's log was not read yet".to_owned(),
        };
        println!("{:<30}{how}", domain.name);
    }
    if held.gap {
        println!(
            "Mailgun's log may not go back to the backup: what was sent in between can't be known. Cancel what must not go \
             twice, then `resume` the queue (docs/deploying.md, \"Restoring a backup\")"
        );
    } else if held.is_known() {
        println!("what was sent since the backup is known: `mailmind restored --resume` lets the rest go");
    } else {
        println!("start the processes; half an hour later `mailmind restored --resume` lets go what was not sent");
    }
    for campaign in &held.campaigns {
        println!(
            "the campaign {} stays paused: whom of its pending recipients it wrote to since is not known; `resume` it, or cancel it",
            schema::id_of_campaign(*campaign)
        );
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
