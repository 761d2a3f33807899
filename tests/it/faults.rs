//! The fault suite in small: one fixed seed, and for each guard a story that is kept while it stands and seen to be broken
//! without it. `make faults` runs more.

use std::time::Duration;

use tests::process::Launch;

/// Enough for a seed on a machine with other work.
const LONG: Duration = Duration::from_secs(300);

/// Runs the suite; answers whether the promise was kept, and what was printed.
async fn faults(args: &[&str]) -> (bool, String) {
    let suite = Launch::of(env!("CARGO_BIN_EXE_faults")).args(args).env("RUST_BACKTRACE", "0").start();
    let ended = suite.ended(LONG).await;
    let printed = suite.output().join("\n");
    // A story that could not be played shows nothing, and ends otherwise.
    assert!(matches!(ended.code(), Some(0 | 1)), "{args:?} ended with {ended}:\n{printed}");
    (ended.success(), printed)
}

#[tokio::test]
async fn a_seed_keeps_the_promise() {
    let (kept, printed) = faults(&["--seed", "1", "--emails", "600", "--seconds", "10", "--output"]).await;
    assert!(kept, "{printed}");
}

#[tokio::test]
async fn each_guard_is_missed_when_it_is_gone() {
    for (guard, _) in jobs::guard::ALL {
        let (kept, printed) = faults(&["--scenario", guard]).await;
        assert!(kept, "with all guards:\n{printed}");
        let (kept, printed) = faults(&["--scenario", guard, "--sabotage", guard]).await;
        assert!(!kept && printed.contains("BROKEN"), "without {guard} nothing was noticed:\n{printed}");
    }
}

/// What is released is built by itself: `cargo build`, or `-p api`.
#[tokio::test]
async fn the_released_program_knows_nothing_of_sabotage() {
    let features = async |package: &str| {
        let tree = Launch::of(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "--edges", "normal,features", "--prefix", "none", "-p", package])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")])
            .start();
        let ended = tree.ended(LONG).await;
        let printed = tree.output().join("\n");
        assert!(ended.success(), "{printed}");
        assert!(printed.contains("jobs v"), "{printed}");
        printed.contains("jobs feature \"sabotage\"")
    };
    assert!(!features("api").await, "the released program can be sabotaged");
    assert!(features("tests").await, "where it is enabled it would be seen");
}
