//! `mailmind suppressions`: the list out to CSV and in from it, in Mailgun's own columns or ours, beside a running service or
//! without one. Rows are read and written a group at a time, so that a file may be of any size.

mod row;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use entity::suppression::{Model, Reason};
use indicatif::{ProgressBar, ProgressStyle};
use jobs::Context;
use jobs::filter::Order;
use jobs::find::Page;
use jobs::suppress::enter::{self, NewEntry};
use jobs::suppress::list::{self, Filter, Sort};
use serde_json::json;

use crate::config::Setup;
use crate::failure::Failure;
use crate::{audit, serve};
use row::{Columns, Form};

/// What to do about suppressions.
#[derive(clap::Subcommand, Debug)]
pub enum Suppressions {
    /// Enter what stands in a CSV file: Mailgun's export of bounces (address, code, error, created_at), of unsubscribes (address,
    /// tags, created_at) or of complaints (address, created_at), or our own (address, reason, note, created_at, expires_at).
    /// Bad rows are named and skipped. The same file twice enters nothing twice, and what was lifted since stays lifted.
    Import {
        /// The file; `-` is the standard input.
        file: PathBuf,
        /// For what reason: bounce, complaint, unsubscribe or manual. Without it, the column `reason` says, or which columns
        /// there are.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
        /// Only say what would become of it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print what blocks at the moment as CSV.
    Export {
        /// For this reason alone: bounce, complaint, unsubscribe or manual.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
        /// In the columns of Mailgun's own list of that reason, which takes addresses alone.
        #[arg(long, requires = "reason")]
        mailgun: bool,
    },
}

/// A reason by its name, in capitals or not.
fn reason(text: &str) -> Result<Reason, String> {
    row::reason(text).ok_or_else(|| "must be bounce, complaint, unsubscribe or manual".to_owned())
}

/// Rows that are entered together.
const GROUP: usize = 500;

/// Entries that are read together.
const AT_ONCE: u64 = 1_000;

/// Does what the command line asks.
pub async fn execute(setup: &Setup, asked: Suppressions) -> Result<(), Failure> {
    let store = serve::connect(setup).await?;
    migration::up(store.write()).await?;
    let ctx = serve::context(setup, store).await?;
    match asked {
        Suppressions::Import { file, reason, dry_run } => {
            let arguments = json!({ "reason": reason.map(Reason::name), "dryRun": dry_run });
            audit::noted(&ctx.store, &ctx.clock, "suppressions import", arguments, async |entry| {
                let Sum { entered, skipped, .. } = import(&ctx, &file, reason, dry_run).await?;
                entry.done = if dry_run { 0 } else { entered as i64 };
                entry.state_after = Some(json!({ "entered": entered, "skipped": skipped }).to_string());
                Ok(())
            })
            .await
        }
        Suppressions::Export { reason, mailgun } => {
            let form = if mailgun { Form::Mailgun(reason.unwrap_or(Reason::Bounce)) } else { Form::Ours };
            let filter = Filter { reason, active: Some(true), ..Filter::default() };
            let arguments = json!({ "reason": reason.map(Reason::name), "mailgun": mailgun });
            audit::noted(&ctx.store, &ctx.clock, "suppressions export", arguments, async |entry| {
                entry.done = export(&ctx, &filter, form, io::stdout().lock()).await?;
                Ok(())
            })
            .await
        }
    }
}

/// What an import came to.
#[derive(Default)]
struct Sum {
    entered: u64,
    skipped: u64,
    ended: u64,
    remaining: u64,
    in_flight: usize,
}

async fn import(ctx: &Context, path: &Path, reason: Option<Reason>, dry_run: bool) -> Result<Sum, Failure> {
    let (file, size): (Box<dyn Read + Send>, u64) = if path == Path::new("-") {
        (Box::new(io::stdin()), 0)
    } else {
        let file = File::open(path).map_err(|error| Failure::File(path.to_owned(), error))?;
        let size = file.metadata().map_or(0, |about| about.len());
        (Box::new(file), size)
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(BufReader::new(file));
    let columns = Columns::read(reader.headers()?, reason).map_err(Failure::Columns)?;
    let (bar, mut sum, mut group) = (bar(size), Sum::default(), Vec::with_capacity(GROUP));
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        let more = match reader.read_record(&mut record) {
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                match columns.entry(&record, ctx.clock.now()) {
                    Ok(entry) => group.push(entry),
                    Err(why) => skip(&bar, &mut sum, line, &why),
                }
                true
            }
            Ok(false) => false,
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(_) => {
                skip(&bar, &mut sum, line, "the row is no UTF-8");
                true
            }
        };
        if group.len() == GROUP || !more {
            enter_group(ctx, &mut group, dry_run, &mut sum).await?;
            bar.set_position(reader.position().byte());
        }
        if !more {
            break;
        }
    }
    bar.finish_and_clear();
    println!("{}", words(&sum, dry_run));
    Ok(sum)
}

/// Shown on a terminal alone.
fn bar(size: u64) -> ProgressBar {
    let style = "{wide_bar} {bytes}/{total_bytes}, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style)
}

fn skip(bar: &ProgressBar, sum: &mut Sum, line: u64, why: &str) {
    sum.skipped += 1;
    bar.suspend(|| eprintln!("line {line}: {why}"));
}

async fn enter_group(ctx: &Context, group: &mut Vec<NewEntry>, dry_run: bool, sum: &mut Sum) -> Result<(), Failure> {
    let entries = std::mem::replace(group, Vec::with_capacity(GROUP));
    let entered =
        if dry_run { enter::would_suppress(ctx, &entries).await? } else { enter::suppress_many(ctx, entries).await? };
    sum.entered += entered.entered;
    sum.ended += entered.waiting.done;
    sum.remaining += entered.waiting.remaining;
    sum.in_flight += entered.in_flight.len();
    Ok(())
}

fn words(sum: &Sum, dry_run: bool) -> String {
    let Sum { entered, skipped, ended, remaining, in_flight } = sum;
    if dry_run {
        return format!(
            "would enter {entered} entries and skip {skipped} rows; {remaining} waiting emails would end SUPPRESSED, \
             {in_flight} under way would be sent"
        );
    }
    format!(
        "entered {entered} entries, skipped {skipped} rows; {ended} waiting emails ended SUPPRESSED, {remaining} follow, \
         {in_flight} were under way"
    )
}

/// Writes the entries that are meant, the oldest first. Answers how many.
async fn export(ctx: &Context, filter: &Filter, form: Form, out: impl Write) -> Result<i64, Failure> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(form.header())?;
    let (mut after, mut written) = (None, 0);
    loop {
        let page = Page::First { n: AT_ONCE, after };
        let found = list::list(ctx, filter, page, Sort::Age, Order::Ascending).await?;
        for row in &found.page.items {
            if let Some(record) = form.record(row) {
                writer.write_record(record)?;
                written += 1;
            }
        }
        after = found.stopped_at.or(found.page.items.last().map(|row: &Model| row.id));
        if !found.page.has_next {
            break;
        }
    }
    writer.flush()?;
    Ok(written)
}
