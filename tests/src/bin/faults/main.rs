//! The fault suite: `faults --seed N` runs a seed, and says what broke. This program is `mailmind` as well, for the processes it
//! starts.

mod recovery;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tests::faults::run::Options;
use tests::faults::world::{Pace, play};

/// Breaks everything around a thousand emails, and looks whether the promise held.
#[derive(Parser)]
struct Arguments {
    /// What chance follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from this one on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many emails.
    #[arg(long, default_value_t = 2_000)]
    emails: usize,
    /// For how many seconds they come in, while faults happen.
    #[arg(long, default_value_t = 18)]
    seconds: u64,
    /// The protocol's durations are divided by this.
    #[arg(long, default_value_t = 20)]
    hurry: u32,
    /// Those of Mailgun's log are divided by this.
    #[arg(long, default_value_t = 90)]
    hurry_log: u32,
    /// Switches a guard off.
    #[arg(long)]
    sabotage: Option<String>,
    /// Switches each guard off in turn, for up to as many seeds as it takes to notice.
    #[arg(long)]
    table: bool,
    /// Plays the scripted story of a guard instead of a seed.
    #[arg(long)]
    scenario: Option<String>,
    /// Measures how long it takes until things go on after a fault, at the protocol's own pace.
    #[arg(long)]
    recovery: bool,
    /// Only what Mailgun and people do.
    #[arg(long)]
    no_trouble: bool,
    /// Says what the processes printed when something broke.
    #[arg(long)]
    output: bool,
}

impl Arguments {
    fn of(&self, seed: u64, sabotage: Option<&str>) -> Options {
        Options {
            seed,
            emails: self.emails,
            time: Duration::from_secs(self.seconds),
            pace: Pace { hurry: self.hurry, hurry_log: self.hurry_log },
            sabotage: sabotage.map(str::to_owned),
            trouble: !self.no_trouble,
        }
    }
}

fn main() -> ExitCode {
    if let Some(ended) = play() {
        return ended;
    }
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let kept = runtime.block_on(async {
        if let Some(guard) = &arguments.scenario {
            return scenario(guard, arguments.sabotage.as_deref()).await;
        }
        if arguments.recovery {
            recovery::measure().await;
            return true;
        }
        if arguments.table { table::guards(&arguments).await } else { table::seeds(&arguments).await }
    });
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays a story, with a guard switched off in this process and in those that it starts. Answers whether the promise held.
async fn scenario(story: &str, sabotage: Option<&str>) -> bool {
    if let Some(guard) = sabotage.and_then(jobs::guard::named) {
        jobs::guard::switch_off(guard);
    }
    let held = tests::faults::scenario::play(story, sabotage).await;
    match &held {
        Ok(()) => println!("{story}: kept"),
        Err(broken) => println!("{story}: BROKEN: {broken}"),
    }
    held.is_ok()
}
