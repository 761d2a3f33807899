//! The scripted Mailgun as a process of its own, so that a bench can tell its cost from the service's. Prints its port,
//! accepts everything, and answers `GET /stats` with its counts.

use std::io::Write;

use tests::mailgun::{FakeMailgun, Memory};

fn main() {
    let fake = FakeMailgun::remembering(Memory::Counts);
    println!("{}", fake.port());
    std::io::stdout().flush().expect("somebody reads the port");
    loop {
        std::thread::park();
    }
}
