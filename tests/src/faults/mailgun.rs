//! The Mailgun of the fault suite: takes emails, or does not, or takes them and does not say so; and knows what became of them.
//! What it remembers is the truth that everything is compared with.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use entity::Clock;
use tokio::time::Instant;
use uuid::Uuid;

use super::Coverage;
use super::dice::Dice;
use super::load::RENAMED;
use super::logbook::{Fate, Logged};
use crate::lock;
use crate::mailgun::{FakeMailgun, Post, Reply};

/// A hand-over that reached it.
#[derive(Clone, Debug)]
pub struct Posted {
    pub at: DateTime<Utc>,
    pub email: Uuid,
    /// To first.
    pub recipients: Vec<String>,
    /// The process it came from.
    pub from: String,
    /// It came with others in one call, of this domain.
    pub batch_of: Option<String>,
    /// What was done with it.
    pub what: &'static str,
    pub accepted: bool,
}

/// What will happen: to which email, for which recipient, of which domain, under which Message-Id.
type ToCome = (Fate, Uuid, String, String, String);

/// Everything it knows.
#[derive(Default)]
pub struct Book {
    pub posts: Vec<Posted>,
    pub log: Vec<Logged>,
    seen: HashMap<Uuid, u32>,
    /// Calls for many so far.
    batches: usize,
}

/// Whether Mailgun answered 200 to a batch of the domain that this is from. Until it did, nobody knows what its log says of those
/// that went in batches: an email in doubt then waits for a person, whatever its policy.
pub fn takes_batches(posts: &[Posted], sender: &str) -> bool {
    let of = |posted: &&Posted| posted.batch_of.as_ref().is_some_and(|domain| sender.contains(&format!("@{domain}")));
    posts.iter().filter(of).any(|posted| posted.what == WHIMS[0].1)
}

/// A running one.
pub struct Model {
    pub fake: FakeMailgun,
    pub book: Arc<Mutex<Book>>,
    seed: u64,
    calm: Arc<AtomicBool>,
    slow: Arc<Mutex<HashSet<Uuid>>>,
}

/// What is to be seen of calls for many in each seed.
pub const BATCHES: [&str; 2] = ["a batch answered 200", "a batch not answered 200"];

/// What it does with a hand-over, how often of a thousand.
const WHIMS: [(usize, &str); 12] = [
    (905, "answered 200"),
    (12, "refused with 400"),
    (10, "accepted, answered 500"),
    (8, "answered 500"),
    (10, "accepted, never answered"),
    (10, "never answered"),
    (10, "accepted, cut the connection"),
    (10, "cut the connection"),
    (8, "accepted, cut amid the answer"),
    (5, "answered 429"),
    (4, "answered 503 with Retry-After"),
    (8, "accepted, answered 200 late"),
];

/// The same of a call for many, of which there are few in a seed: every other one of them is answered so.
const WHIMS_OF_BATCHES: [(usize, &str); 11] = [
    (2, "refused with 400"),
    (15, "accepted, answered 500"),
    (8, "answered 500"),
    (15, "accepted, never answered"),
    (8, "never answered"),
    (15, "accepted, cut the connection"),
    (8, "cut the connection"),
    (15, "accepted, cut amid the answer"),
    (5, "answered 429"),
    (4, "answered 503 with Retry-After"),
    (10, "accepted, answered 200 late"),
];

impl Model {
    /// Starts one. `post` is how long a hand-over may take.
    pub fn start(seed: u64, post: Duration, coverage: &Coverage) -> Self {
        let (fake, book) = (FakeMailgun::start(), Arc::new(Mutex::new(Book::default())));
        let (calm, slow) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(HashSet::new())));
        let (noted, quiet, slowly, covered) = (book.clone(), calm.clone(), slow.clone(), coverage.clone());
        fake.answer(move |seen| {
            let mut book = lock(&noted);
            // A call for many is a hand-over of each, and is answered as one.
            let batch = seen.is_batch();
            let email = seen.email_id().parse().unwrap_or_default();
            let nth = book.seen.entry(email).or_default();
            *nth += 1;
            let mut dice = Dice::of(seed, ("post", seen.field("subject"), *nth));
            book.batches += usize::from(batch);
            let what = match batch {
                _ if quiet.load(Ordering::Relaxed) => WHIMS[0].1,
                true if book.batches % 2 == 1 => dice.weighted(&WHIMS_OF_BATCHES),
                true => WHIMS[0].1,
                false => dice.weighted(&WHIMS),
            };
            covered.count(what);
            if batch {
                covered.count(BATCHES[usize::from(what != WHIMS[0].1)]);
            }
            let accepted = what.starts_with("accepted") || what == WHIMS[0].1;
            let (at, from) = (Clock::system().now(), sender(seen));
            for (id, to) in seen.emails() {
                let email = id.parse().unwrap_or_default();
                let recipients = if batch { vec![key(&to)] } else { recipients(seen) };
                let batch_of = batch.then(|| seen.domain().to_owned());
                book.posts.push(Posted { at, email, recipients, from: from.clone(), batch_of, what, accepted });
            }
            let mut reply = reply(what, &mut dice, post);
            if what == WHIMS[0].1 && lock(&slowly).contains(&email) {
                reply = reply.after(post * 7 / 10);
            }
            if seen.domain() == RENAMED {
                covered.count("gave a Message-Id of its own");
                return after(&mut dice, renamed(reply));
            }
            after(&mut dice, reply)
        });
        Self { fake, book, seed, calm, slow }
    }

    /// For these emails, and no others, it takes most of the time that a hand-over may take.
    pub fn be_slow_for(&self, emails: impl IntoIterator<Item = Uuid>) {
        *lock(&self.slow) = emails.into_iter().collect();
    }

    /// From now on it answers 200.
    pub fn be_calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Lets what it accepted have its fate, until it is dropped. `told` hears of each event when it happens.
    pub async fn live(self: Arc<Self>, told: impl Fn(Logged)) {
        let mut known = 0;
        let mut to_come: BTreeMap<(Instant, usize), ToCome> = BTreeMap::new();
        let mut n = 0;
        loop {
            let new: Vec<_> = self.fake.look(|state| {
                let new = state.messages()[known..].iter();
                let read = new.map(|m| {
                    let to = if m.post.is_batch() { vec![key(&m.to)] } else { recipients(&m.post) };
                    (m.email_id.clone(), m.post.domain().to_owned(), to)
                });
                read.collect()
            });
            known += new.len();
            for (email, domain, recipients) in new {
                let Ok(email) = email.parse::<Uuid>() else { continue };
                // As Mailgun gave it: not everybody was told.
                let local = if domain == RENAMED { "another." } else { "" };
                let message = format!("{local}{email}@{domain}");
                for recipient in recipients {
                    let mut dice = Dice::of(self.seed, ("fate", &recipient, n));
                    for (wait, fate) in Fate::draw(&mut dice) {
                        n += 1;
                        to_come.insert(
                            (Instant::now() + wait, n),
                            (fate, email, recipient.clone(), domain.clone(), message.clone()),
                        );
                    }
                }
            }
            while to_come.first_key_value().is_some_and(|((at, _), _)| *at <= Instant::now()) {
                let Some(((_, n), (fate, email, recipient, domain, message))) = to_come.pop_first() else { break };
                let logged = Logged::now(self.seed, n, fate, email, recipient, domain, message);
                lock(&self.book).log.push(logged.clone());
                told(logged);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Hand-overs it took, by email.
    pub fn accepted(&self) -> HashMap<Uuid, u32> {
        let mut counts = HashMap::new();
        self.fake.look(|state| {
            for message in state.messages() {
                if let Ok(email) = message.email_id.parse() {
                    *counts.entry(email).or_default() += 1;
                }
            }
        });
        counts
    }
}

/// The same, under another Message-Id where that is told.
fn renamed(reply: Reply) -> Reply {
    match reply {
        Reply::Ok => Reply::OtherId,
        Reply::Delay(time, then) => renamed(*then).after(time),
        other => other,
    }
}

fn after(dice: &mut Dice, reply: Reply) -> Reply {
    reply.after(dice.millis(2, 25))
}

fn reply(what: &str, dice: &mut Dice, post: Duration) -> Reply {
    let wait = |status, text: &str| {
        let message = format!(r#"{{"message":"{text}"}}"#);
        Reply::Status(status, vec![("Retry-After", "1".to_owned())], message)
    };
    match what {
        "refused with 400" => Reply::status(400, "to parameter is not a valid address"),
        "accepted, answered 500" => Reply::AcceptThen(500),
        "answered 500" => Reply::status(500, "Internal Server Error"),
        "accepted, never answered" => Reply::AcceptThenHang,
        "never answered" => Reply::Hang,
        "accepted, cut the connection" => Reply::AcceptThenCut,
        "cut the connection" => Reply::Cut,
        "accepted, cut amid the answer" => Reply::AcceptThenHalf,
        "answered 429" => wait(429, "Too many requests"),
        "answered 503 with Retry-After" => wait(503, "try again after 1 second"),
        // About as late as one waits for it: on either side.
        "accepted, answered 200 late" => Reply::Ok.after(post * (8 + dice.below(5) as u32) / 10),
        _ => Reply::Ok,
    }
}

/// To, cc and bcc, as keys.
fn recipients(post: &Post) -> Vec<String> {
    let form = post.form();
    ["to", "cc", "bcc"].iter().flat_map(|name| form.texts(name).flat_map(|text| text.split(','))).map(key).collect()
}

fn key(mailbox: &str) -> String {
    let address = mailbox.rsplit_once('<').map_or(mailbox, |(_, rest)| rest);
    address.trim().trim_end_matches('>').to_lowercase()
}

/// The name that a process has for a key.
fn sender(post: &Post) -> String {
    let basic = post.header("authorization").and_then(|header| header.strip_prefix("Basic "));
    let pair = basic.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    String::from_utf8_lossy(&pair).trim_start_matches("api:").to_owned()
}
