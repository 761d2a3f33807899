//! `mailmind keyring`: which keys stored content needs, and putting all of it under the first one, beside running processes.

use indicatif::{ProgressBar, ProgressStyle};
use jobs::Context;
use jobs::keyring::{self, Need};
use serde_json::{Value, json};

use crate::config::Setup;
use crate::failure::Failure;
use crate::{audit, serve};

/// What to do about the keyring.
#[derive(clap::Subcommand, Debug)]
pub enum Keyring {
    /// Print how many data keys of which table need which key.
    Status,
    /// Put every data key under the first key of CONTENT_KEYRING; what is sealed with them is not touched. It may run beside
    /// other processes, and be broken off and begun again. First start all processes with both keys, the new one in front.
    Rotate,
}

/// Does what the command line asks.
///
/// # Errors
/// The database's own; a key that is missing.
pub async fn execute(setup: &Setup, asked: Keyring) -> Result<(), Failure> {
    let store = serve::connect(setup).await?;
    migration::up(store.write()).await?;
    let ctx = serve::context(setup, store).await?;
    match asked {
        Keyring::Status => status(&ctx).await,
        Keyring::Rotate => {
            audit::noted(&ctx.store, &ctx.clock, "keyring rotate", Value::Null, async |entry| {
                entry.done = rotate(&ctx).await?;
                entry.state_after = Some(json!({ "first": ctx.keyring.ids().next() }).to_string());
                Ok(())
            })
            .await
        }
    }
}

async fn status(ctx: &Context) -> Result<(), Failure> {
    let needs = keyring::needs(&ctx.store).await?;
    let first = ctx.keyring.ids().next().unwrap_or_default();
    for need in &needs {
        let standing = match &need.key_id {
            id if id == first => "the first",
            id if ctx.keyring.ids().any(|known| known == id) => "to be rotated",
            _ => "MISSING",
        };
        println!("{:<20} {:<34} {:>10} {standing}", need.table, need.key_id, need.rows);
    }
    println!("{} data keys in all; new ones are under {first}", sum(&needs));
    Ok(())
}

/// Answers how many data keys it rewrapped.
async fn rotate(ctx: &Context) -> Result<i64, Failure> {
    let missing = keyring::missing(&ctx.store, &ctx.keyring).await?;
    if !missing.is_empty() {
        return Err(Failure::KeysMissing(keyring::words(&missing)));
    }
    let first = ctx.keyring.ids().next().unwrap_or_default().to_owned();
    let needs = keyring::needs(&ctx.store).await?;
    let (old, there): (Vec<Need>, Vec<Need>) = needs.into_iter().partition(|need| need.key_id != first);
    let bar = bar(sum(&old));
    let (mut rewrapped, mut gone) = (0, 0);
    for need in &old {
        let mut after = None;
        loop {
            let group = keyring::rewrap(&ctx.store, &ctx.keyring, need.table, &need.key_id, after).await?;
            rewrapped += group.rewrapped;
            gone += group.gone;
            bar.inc(group.found);
            match group.next {
                Some(last) => after = Some(last),
                None => break,
            }
        }
    }
    bar.finish_and_clear();
    println!(
        "found {} data keys: {rewrapped} rewrapped, {gone} rewrapped or deleted by others meanwhile; {} were under {first} before",
        rewrapped + gone,
        sum(&there)
    );
    let left: Vec<Need> = keyring::needs(&ctx.store).await?.into_iter().filter(|need| need.key_id != first).collect();
    if left.is_empty() {
        println!("everything is under {first}");
    } else {
        println!("{} came under another key meanwhile: a process runs with another one in front", sum(&left));
    }
    Ok(i64::try_from(rewrapped).unwrap_or(i64::MAX))
}

fn sum(needs: &[Need]) -> u64 {
    needs.iter().map(|need| need.rows).sum()
}

/// Shown on a terminal alone.
fn bar(rows: u64) -> ProgressBar {
    let style = "{wide_bar} {pos}/{len} data keys, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(rows).with_style(style)
}
