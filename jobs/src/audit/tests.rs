//! What an entry must meet, part by part.

use chrono::TimeDelta;
use entity::audit_entry::{Model, Outcome};
use uuid::Uuid;

use super::Filter;
use crate::filter::{first_id, made_at};

fn entry() -> Model {
    Model {
        actor: Some(Uuid::from_u128(7)),
        origin: Some("192.0.2.1".to_owned()),
        subject: Some("email:7".to_owned()),
        recipient: Some("00ff".to_owned()),
        outcome: Outcome::Refused,
        ..Model::new(first_id(made_at(Uuid::from_u128(1 << 90))), "cancelEmail", "POST /graphql")
    }
}

#[test]
fn each_part_of_a_filter_leaves_out_what_is_otherwise() {
    let (entry, all) = (entry(), Filter::default());
    let (at, second) = (entry.at(), TimeDelta::seconds(1));
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (all.clone(), all.clone()),
        (Filter { from: Some(at), ..all.clone() }, Filter { from: Some(at + second), ..all.clone() }),
        (Filter { until: Some(at + second), ..all.clone() }, Filter { until: Some(at), ..all.clone() }),
        (Filter { actor: entry.actor, ..all.clone() }, Filter { actor: Some(Uuid::max()), ..all.clone() }),
        (Filter { operation: text("cancelEmail"), ..all.clone() }, Filter { operation: text("pause"), ..all.clone() }),
        (
            Filter { outcomes: vec![Outcome::Done, Outcome::Refused], ..all.clone() },
            Filter { outcomes: vec![Outcome::Done], ..all.clone() },
        ),
        (Filter { subject: text("email:7"), ..all.clone() }, Filter { subject: text("email:8"), ..all.clone() }),
        (Filter { recipient: text("00ff"), ..all.clone() }, Filter { recipient: text("00fe"), ..all.clone() }),
        (Filter { origin: text("192.0.2.1"), ..all.clone() }, Filter { origin: text("192.0.2.2"), ..all.clone() }),
        (Filter { sends: Some(false), ..all.clone() }, Filter { sends: Some(true), ..all.clone() }),
    ];
    for (met, missed) in cases {
        assert!(met.means(&entry), "{met:?}");
        assert!(missed == all || !missed.means(&entry), "{missed:?}");
    }
}
