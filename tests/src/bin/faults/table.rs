//! Seeds one after the other, and what they showed.

use std::collections::BTreeMap;

use tests::faults::run::{Verdict, run};

use crate::Arguments;

/// Violations printed of one seed.
const SHOWN: usize = 12;

/// Runs the seeds. Answers whether the promise held in all of them.
pub async fn seeds(arguments: &Arguments) -> bool {
    let mut broken = Vec::new();
    let mut coverage: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in arguments.seed..arguments.seed + arguments.seeds {
        let verdict = run(&arguments.of(seed, arguments.sabotage.as_deref())).await;
        for (what, n) in &verdict.coverage {
            *coverage.entry(what).or_default() += n;
        }
        if !tell(seed, &verdict, arguments.output) {
            broken.push(seed);
        }
    }
    println!("\nwhat happened, how often:");
    for (what, n) in coverage {
        println!("{n:>7}  {what}");
    }
    println!("\n{} of {} seeds broke the promise {broken:?}", broken.len(), arguments.seeds);
    broken.is_empty()
}

/// Switches each guard off. Answers whether each was noticed.
pub async fn guards(arguments: &Arguments) -> bool {
    let mut noticed = Vec::new();
    for (name, _) in jobs::guard::ALL {
        let mut caught = None;
        for seed in arguments.seed..arguments.seed + arguments.seeds {
            let verdict = run(&arguments.of(seed, Some(name))).await;
            if let Some(violation) = verdict.violations.first() {
                caught = Some((seed, verdict.violations.len(), violation.what.clone()));
                break;
            }
        }
        println!("{name:<12} {caught:?}");
        noticed.push((name, caught));
    }
    println!("\nguard        noticed with seed, violations, the first of them");
    for (name, caught) in &noticed {
        match caught {
            Some((seed, n, what)) => println!("{name:<12} {seed:>4} {n:>5}  {what}"),
            None => println!("{name:<12}  not noticed"),
        }
    }
    noticed.iter().all(|(_, caught)| caught.is_some())
}

fn tell(seed: u64, verdict: &Verdict, output: bool) -> bool {
    let kept = verdict.violations.is_empty();
    let (took, settled) = (verdict.took.as_secs_f64(), verdict.settled.as_secs_f64());
    let word = if kept { "kept" } else { "BROKEN" };
    println!("seed {seed}: {word} in {took:.0} s (settled in {settled:.0} s) {:?}", verdict.statuses);
    for violation in verdict.violations.iter().take(SHOWN) {
        println!("  {} {}", violation.email.map(|id| id.to_string()).unwrap_or_default(), violation.what);
    }
    if verdict.violations.len() > SHOWN {
        println!("  … and {} more", verdict.violations.len() - SHOWN);
    }
    verdict.stories.iter().for_each(|story| println!("{story}"));
    if output && !kept {
        for (who, lines) in &verdict.output {
            println!("--- {who}");
            lines.iter().filter(|line| !line.contains("DEBUG")).for_each(|line| println!("{line}"));
        }
    }
    kept
}
