//! `mailmind campaign import`: a campaign's recipients from a CSV file, beside a running service or without one. Rows are read
//! and added a group at a time, so that a file may be of any size, and what was added stays added: the same file again adds
//! the rest.

mod row;
mod target;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use entity::template;
use indicatif::{ProgressBar, ProgressStyle};
use jobs::Context;
use jobs::accept::Complaint;
use jobs::campaign::recipients::NewRecipient;
use jobs::campaign::{self, Content, Draft};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use crate::config::Setup;
use crate::failure::Failure;
use crate::{audit, schema, serve};
use row::Columns;
use target::Target;

/// What to do about campaigns.
#[derive(clap::Subcommand, Debug)]
pub enum Campaign {
    /// Make a campaign for the people in a CSV file. Its columns are `address` (or `email`), `name` and `lead_id`; each other
    /// is a variable of that name, as a text. Bad rows are named and skipped. The same file twice adds nobody twice.
    Import(Import),
}

/// A file to import, and the campaign it is for.
#[derive(clap::Args, Debug)]
pub struct Import {
    /// The file; `-` is the standard input.
    file: PathBuf,
    /// The stored template that says what the emails say, by its name.
    #[arg(long, required_unless_present = "campaign")]
    template: Option<String>,
    /// What the campaign is called.
    #[arg(long, required_unless_present = "campaign")]
    name: Option<String>,
    /// Whom its emails are from: an address, or `Name <address>`. Without it, `noreply@` and the first sending domain.
    #[arg(long)]
    from: Option<String>,
    /// Add to this campaign, by its id, instead of making one: after an import that was broken off, or for another file.
    #[arg(long, conflicts_with_all = ["template", "name", "from"], value_parser = campaign_id)]
    campaign: Option<Uuid>,
    /// Launch it when all are added.
    #[arg(long)]
    launch: bool,
    /// Only say what would become of it.
    #[arg(long)]
    dry_run: bool,
}

/// A campaign's id as the API has it, or as a UUID.
fn campaign_id(text: &str) -> Result<Uuid, String> {
    schema::campaign_id(text).ok_or_else(|| "is no campaign's id".to_owned())
}

/// Rows that are added together.
const GROUP: usize = 2_000;

/// What an import came to: the rows that were read are those added, the duplicates and the refused.
#[derive(Debug, Default)]
struct Sum {
    read: u64,
    added: u64,
    duplicates: u64,
    refused: u64,
    /// Of the added.
    suppressed: u64,
}

/// A row on its way, with its line in the file.
type Line = (u64, NewRecipient);

/// Does what the command line asks.
///
/// # Errors
/// What the user can mend: the file, its columns, the template, the campaign; the database's own.
pub async fn execute(setup: &Setup, asked: Campaign) -> Result<(), Failure> {
    let Campaign::Import(import) = asked;
    let (reader, size) = open(&import.file)?;
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(BufReader::new(reader));
    let columns = Columns::read(reader.headers()?).map_err(Failure::Columns)?;
    for left_out in columns.left_out() {
        eprintln!("left out the column {left_out:?}: a variable's name is made of letters, digits and _");
    }
    let store = serve::connect(setup).await?;
    migration::up(store.write()).await?;
    let ctx = serve::context(setup, store).await?;
    let arguments = json!({ "launch": import.launch, "dryRun": import.dry_run });
    audit::noted(&ctx.store, &ctx.clock, "campaign import", arguments, async |entry| {
        let mut target = aim(&ctx, &import).await?;
        entry.subject = target.id().map(schema::id_of_campaign);
        let sum = fill(&ctx, &import, &mut reader, &columns, &mut target, size).await?;
        entry.done = if import.dry_run { 0 } else { i64::try_from(sum.added).unwrap_or(i64::MAX) };
        let Sum { added, duplicates, refused, .. } = sum;
        entry.state_after = Some(json!({ "added": added, "duplicates": duplicates, "refused": refused }).to_string());
        Ok(())
    })
    .await
}

/// Adds every row of the file, and launches the campaign where that is asked for.
async fn fill(
    ctx: &Context,
    import: &Import,
    reader: &mut csv::Reader<impl Read>,
    columns: &Columns,
    target: &mut Target,
    size: u64,
) -> Result<Sum, Failure> {
    let bar = bar(size);
    let done = add_all(ctx, reader, columns, target, &bar).await;
    bar.finish_and_clear();
    let sum = match (done, target.id()) {
        (Ok(sum), _) => sum,
        (Err(failure), Some(id)) if !import.dry_run => {
            let id = schema::id_of_campaign(id);
            eprintln!("what was added stays added; go on with: mailmind campaign import --campaign {id} FILE");
            return Err(failure);
        }
        (Err(failure), _) => return Err(failure),
    };
    println!("{}", words(&sum, import.dry_run));
    if import.launch && !import.dry_run {
        launch(ctx, target).await?;
    }
    Ok(sum)
}

fn open(path: &Path) -> Result<(Box<dyn Read + Send>, u64), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), 0));
    }
    let file = File::open(path).map_err(|error| Failure::File(path.to_owned(), error))?;
    let size = file.metadata().map_or(0, |about| about.len());
    Ok((Box::new(file), size))
}

/// The campaign that is meant, made where none is named and this is no dry run.
async fn aim(ctx: &Context, import: &Import) -> Result<Target, Failure> {
    if let Some(id) = import.campaign {
        let known = campaign::find(ctx, &[id]).await?.contains_key(&id);
        return if known { Ok(Target::there(id, import.dry_run)) } else { Err(refused(&campaign::Refusal::NotFound)) };
    }
    let draft = Draft {
        name: import.name.clone().unwrap_or_default(),
        from: import.from.clone(),
        content: Some(Content::Template(template(ctx, import.template.as_deref().unwrap_or_default()).await?)),
        ..Draft::default()
    };
    if import.dry_run {
        return Ok(Target::imagined());
    }
    let made = campaign::create(ctx, draft).await?.map_err(mistakes)?;
    println!("made the campaign {} ({})", schema::id_of_campaign(made.row.id), made.row.name);
    Ok(Target::there(made.row.id, false))
}

async fn template(ctx: &Context, name: &str) -> Result<Uuid, Failure> {
    let asked = template::Entity::find().filter(template::Column::Name.eq(name));
    let found = asked.one(ctx.store.read()).await?;
    found.map(|row| row.id).ok_or_else(|| Failure::NoSuchTemplate(name.to_owned()))
}

/// What there is to mend, by the option's name.
fn mistakes(complaints: Vec<Complaint>) -> Failure {
    let words = |complaint: Complaint| format!("--{} {}", complaint.path.join("."), complaint.message);
    Failure::Campaign(complaints.into_iter().map(words).collect::<Vec<_>>().join("\n"))
}

fn refused(refusal: &campaign::Refusal) -> Failure {
    Failure::Campaign(refusal.to_string())
}

/// Reads every row and adds it.
async fn add_all(
    ctx: &Context,
    reader: &mut csv::Reader<impl Read>,
    columns: &Columns,
    target: &mut Target,
    bar: &ProgressBar,
) -> Result<Sum, Failure> {
    let (mut sum, mut group, mut record) = (Sum::default(), Vec::with_capacity(GROUP), StringRecord::new());
    loop {
        let line = reader.position().line();
        let more = match reader.read_record(&mut record) {
            Ok(more) => more,
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(_) => {
                sum.read += 1;
                refuse(bar, &mut sum, line, "the row is no UTF-8");
                continue;
            }
        };
        if more {
            sum.read += 1;
            let line = record.position().map_or(line, Position::line);
            match columns.recipient(&record) {
                Ok(recipient) => group.push((line, recipient)),
                Err(why) => refuse(bar, &mut sum, line, &why),
            }
        }
        if group.len() == GROUP || !more {
            let group = std::mem::replace(&mut group, Vec::with_capacity(GROUP));
            add_group(ctx, target, group, &mut sum, bar).await?;
            bar.set_position(reader.position().byte());
        }
        if !more {
            return Ok(sum);
        }
    }
}

async fn add_group(
    ctx: &Context,
    target: &mut Target,
    group: Vec<Line>,
    sum: &mut Sum,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let (lines, recipients): (Vec<u64>, Vec<NewRecipient>) = group.into_iter().unzip();
    let added = target.add(ctx, recipients).await?.map_err(|refusal| refused(&refusal))?;
    sum.added += added.added;
    sum.duplicates += added.known;
    sum.suppressed += added.suppressed;
    for refused in added.refused {
        let say = |complaint: &Complaint| format!("{} {}", complaint.path.join("."), complaint.message);
        let why = refused.complaints.iter().map(say).collect::<Vec<_>>().join("; ");
        refuse(bar, sum, lines.get(refused.index).copied().unwrap_or_default(), &why);
    }
    Ok(())
}

/// Shown on a terminal alone.
fn bar(size: u64) -> ProgressBar {
    let style = "{wide_bar} {bytes}/{total_bytes}, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style)
}

fn refuse(bar: &ProgressBar, sum: &mut Sum, line: u64, why: &str) {
    sum.refused += 1;
    bar.suspend(|| eprintln!("line {line}: {why}"));
}

fn words(sum: &Sum, dry_run: bool) -> String {
    let Sum { read, added, duplicates, refused, suppressed } = sum;
    let would = if dry_run { "would be added" } else { "added" };
    format!(
        "read {read} rows: {added} {would}, {duplicates} duplicates, {refused} refused; {suppressed} of the added must not be \
         mailed at the moment"
    )
}

async fn launch(ctx: &Context, target: &Target) -> Result<(), Failure> {
    let Some(id) = target.id() else { return Ok(()) };
    let launched = campaign::launch(ctx, id, None).await?.map_err(|refusal| refused(&refusal))?;
    println!("launched {}: `mailmind serve` or `mailmind work` sends it", launched.row.name);
    Ok(())
}
