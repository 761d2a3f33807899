//! The limits of a process that counts alone.
#![expect(clippy::unwrap_used, reason = "tests may")]

use super::*;

fn limits(table: Table) -> Limits {
    Limits::new(table, Clock::system(), None).unwrap()
}

fn allowed(text: &str) -> Allowance {
    text.parse().unwrap()
}

const ANN: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

#[tokio::test]
async fn a_key_takes_what_it_may_and_waits_for_the_rest_and_others_do_not() {
    let limits = limits(Table { limit_requests: allowed("3/h"), ..Table::default() });
    for left in [2, 1, 0] {
        let standings = limits.take(ANN, &[(What::Requests, 1)]).await.unwrap();
        assert_eq!(standings.iter().map(|s| s.rate.remaining(s.debt)).collect::<Vec<_>>(), [left]);
    }
    let excess = limits.take(ANN, &[(What::Requests, 1)]).await.unwrap_err();
    assert_eq!(excess.what, What::Requests);
    assert!((1_190..=1_200).contains(&excess.seconds().unwrap()), "{excess}");
    assert!(excess.to_string().starts_with("the requests of this key are limited to 3 in an hour; "), "{excess}");
    assert!(limits.take(BOB, &[(What::Requests, 1)]).await.is_ok());
}

#[tokio::test]
async fn what_is_refused_takes_nothing_and_what_can_never_be_had_is_not_waited_for() {
    let table = Table { limit_mutations: allowed("2/h"), limit_emails: allowed("10/h"), ..Table::default() };
    let limits = limits(table);
    let excess = limits.take(ANN, &[(What::Mutations, 1), (What::Emails, 11)]).await.unwrap_err();
    assert_eq!((excess.what, excess.seconds()), (What::Emails, None));
    assert_eq!(
        excess.to_string(),
        "the emails of this key are limited to 10 in an hour, and this asks for more at once"
    );
    for _ in 0..2 {
        limits.take(ANN, &[(What::Mutations, 1), (What::Emails, 5)]).await.unwrap();
    }
    assert_eq!(limits.take(ANN, &[(What::Mutations, 1)]).await.unwrap_err().what, What::Mutations);
}

#[tokio::test]
async fn what_is_off_or_not_asked_for_is_not_counted() {
    let limits = limits(Table { limit_requests: allowed("off"), limit_emails: allowed("1/h"), ..Table::default() });
    for _ in 0..100 {
        assert_eq!(limits.take(ANN, &[(What::Requests, 1), (What::Emails, 0)]).await, Ok(Vec::new()));
    }
}

#[tokio::test]
async fn an_address_is_looked_at_without_taking_anything() {
    let limits = limits(Table { limit_address_guesses: allowed("1/h"), ..Table::default() });
    let (here, there) = ("2001:db8::1".parse().unwrap(), "2001:db8:0:1::1".parse().unwrap());
    for _ in 0..3 {
        assert_eq!(limits.look_at_address(What::AddressGuesses, here), Ok(()));
    }
    assert_eq!(limits.take_from_address(What::AddressGuesses, here), Ok(()));
    assert!(limits.look_at_address(What::AddressGuesses, "2001:db8::ffff".parse().unwrap()).is_err(), "one network");
    assert!(limits.look_at_address(What::AddressGuesses, there).is_ok());
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_not_waited_for() {
    let nowhere = RedisSettings { host: "127.0.0.1".into(), port: 1, password: None, db: 0, prefix: "test".into() };
    let table = Table { limit_requests: allowed("2/h"), ..Table::default() };
    let limits = Limits::new(table, Clock::system(), Some(&nowhere)).unwrap();
    for _ in 0..2 {
        assert!(limits.take(ANN, &[(What::Requests, 1)]).await.is_ok());
    }
    assert!(limits.take(ANN, &[(What::Requests, 1)]).await.is_err());
}
