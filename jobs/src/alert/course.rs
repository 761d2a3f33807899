//! How an alert goes on: raised once it has been so for long enough, over once it has been otherwise for long enough, so that
//! what comes and goes is one alert and not twenty. Pure.

use chrono::{DateTime, Utc};
use entity::alert::Model;

use super::rule::Wrong;
use super::table::{Rule, named};
use crate::timing::Timing;

/// What becomes of an alert.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Something is wrong that was not; with `fires` it is raised at once.
    Begin { wrong: Wrong, fires: bool },
    /// It never lasted long enough to be raised.
    Forget(Model),
    /// It goes on as this.
    Go(Model),
    /// It is raised.
    Fire(Model),
    /// It is over.
    Resolve(Model),
}

/// What becomes of those that are `open`, and of what is `wrong` now. Where nobody has looked for a while (`unwatched`), nothing
/// is known to have lasted: what waits to be raised, or to be over, begins to wait anew.
pub(super) fn steps(
    open: Vec<Model>,
    wrong: Vec<Wrong>,
    now: DateTime<Utc>,
    unwatched: bool,
    timing: &Timing,
) -> Vec<Step> {
    let mut wrong = wrong;
    let mut steps = Vec::new();
    for mut alert in open {
        // One of a version that knew more.
        let Some(rule) = named(&alert.name) else { continue };
        if unwatched && alert.fired_at.is_none() {
            alert.since = now;
        }
        if unwatched && alert.calm_since.is_some() {
            alert.calm_since = Some(now);
        }
        let at = wrong.iter().position(|one| one.name == rule.alert && one.subject == alert.subject);
        steps.push(match at.map(|at| wrong.swap_remove(at)) {
            Some(still) => goes_on(Model { value: still.value, calm_since: None, ..alert }, rule, now, timing),
            None if alert.fired_at.is_none() => Step::Forget(alert),
            None => calms(alert, rule, now, timing),
        });
    }
    steps.extend(wrong.into_iter().map(|wrong| Step::Begin { fires: wrong.name.rule().hold == 0, wrong }));
    steps
}

fn goes_on(alert: Model, rule: &Rule, now: DateTime<Utc>, timing: &Timing) -> Step {
    match alert.fired_at {
        None if alert.since + timing.minutes(rule.hold) <= now => Step::Fire(Model { fired_at: Some(now), ..alert }),
        None | Some(_) => Step::Go(alert),
    }
}

fn calms(alert: Model, rule: &Rule, now: DateTime<Utc>, timing: &Timing) -> Step {
    let calm_since = alert.calm_since.unwrap_or(now);
    if calm_since + timing.minutes(rule.calm) <= now {
        Step::Resolve(Model { calm_since: Some(calm_since), resolved_at: Some(now), ..alert })
    } else {
        Step::Go(Model { calm_since: Some(calm_since), ..alert })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::table::Name;
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap_or_default()
    }

    fn wrong(name: Name) -> Wrong {
        Wrong { name, subject: String::new(), value: 1.0 }
    }

    fn began(name: Name, minute: i64) -> Model {
        Model {
            id: Uuid::nil(),
            name: name.rule().name.to_owned(),
            subject: String::new(),
            since: at(minute),
            fired_at: None,
            calm_since: None,
            resolved_at: None,
            value: 1.0,
            told_at: None,
            tries: 0,
            tell_at: None,
        }
    }

    /// One alert's way through the minutes: `x` where it is wrong, `.` where it is not, `-` where nobody looks; and what was told
    /// of it, minute by minute: `+` raised, `/` over.
    fn way(name: Name, minutes: &str) -> String {
        let (mut open, mut told, mut looked) = (None::<Model>, String::new(), -1);
        for (minute, what) in (0..).zip(minutes.chars()) {
            if what == '-' {
                told.push(' ');
                continue;
            }
            let found = if what == 'x' { vec![wrong(name)] } else { Vec::new() };
            let unwatched = minute - looked > 2;
            looked = minute;
            let mut steps = steps(open.take().into_iter().collect(), found, at(minute), unwatched, &Timing::default());
            assert!(steps.len() < 2, "{steps:?}");
            told.push(match steps.pop() {
                None | Some(Step::Forget(_)) => ' ',
                Some(Step::Begin { fires, .. }) => {
                    open = Some(Model { fired_at: fires.then(|| at(minute)), ..began(name, minute) });
                    if fires { '+' } else { ' ' }
                }
                Some(Step::Go(alert)) => {
                    open = Some(alert);
                    ' '
                }
                Some(Step::Fire(alert)) => {
                    assert_eq!(alert.fired_at, Some(at(minute)));
                    open = Some(alert);
                    '+'
                }
                Some(Step::Resolve(alert)) => {
                    assert_eq!(alert.resolved_at, Some(at(minute)));
                    '/'
                }
            });
        }
        told.trim_end().to_owned()
    }

    #[test]
    fn an_alert_is_raised_when_it_has_lasted_and_over_when_it_has_stayed_away() {
        // The queue: raised after 5 minutes, over after 2. Webhooks: 5 and 5. Signatures: at once and 5. Doubles: at once both.
        let cases = [
            (Name::QueueStalled, "xxxx.", ""),
            (Name::QueueStalled, "xxxxx.xxxxx", ""),
            (Name::QueueStalled, "xxxxxx", "     +"),
            (Name::QueueStalled, "xxxxxxxx...", "     +    /"),
            (Name::QueueStalled, "xxxxxx.x.x.x...", "     +        /"),
            (Name::WebhooksSilent, "xxxxxx.....x......", "     +           /"),
            (Name::SignatureFailures, "x......", "+     /"),
            (Name::SignatureFailures, "x..x......", "+        /"),
            (Name::Doubles, "x.x.", "+/+/"),
            // Whoever was away for ten minutes can't say that it has lasted.
            (Name::QueueStalled, "x----------xxxxxx", "                +"),
            (Name::QueueStalled, "xxxxxx.----------...", "     +             /"),
            (Name::QueueStalled, "xxxxxx----------x", "     +"),
        ];
        for (name, minutes, told) in cases {
            assert_eq!(way(name, minutes), told, "{name:?} {minutes}");
        }
    }

    #[test]
    fn alerts_about_different_things_do_not_meet() {
        let about = |subject: &str| Wrong { subject: subject.to_owned(), ..wrong(Name::WebhooksSilent) };
        let open = Model { subject: "a".into(), fired_at: Some(at(0)), ..began(Name::WebhooksSilent, -9) };
        let unknown = Model { name: "of_a_later_version".into(), ..open.clone() };
        let steps = steps(vec![open.clone(), unknown], vec![about("b")], at(1), false, &Timing::default());
        let calm = Model { calm_since: Some(at(1)), ..open };
        assert_eq!(steps, [Step::Go(calm), Step::Begin { wrong: about("b"), fires: false }]);
    }
}
