//! What processes call to each other over Redis' pub/sub: bells for workers, nudges for feeders. A call that gets lost costs
//! one round of polling.

use std::sync::Arc;
use std::time::Duration;

use entity::Priority;
use futures::StreamExt;
use redis::RedisResult;
use redis::aio::PubSub;
use tokio::time::timeout;

use super::Inner;
use super::redis::Remote;

/// Calls other processes' feeders, as often as [`super::Lanes::nudge`] asked for it, many nudges in one.
pub(super) async fn call_out(lanes: Arc<Inner>, remote: Arc<Remote>) {
    loop {
        tokio::select! {
            () = lanes.call_out.notified() => {}
            () = lanes.stop.cancelled() => return,
        }
        for lane in Priority::ALL {
            if lanes.to_call[lane.lane()].swap(false, std::sync::atomic::Ordering::AcqRel)
                && let Err(error) = remote.publish_nudge(lane).await
            {
                tracing::debug!(%lane, %error, "a nudge reached no other process; their feeders look by themselves");
            }
        }
    }
}

/// Hears bells and nudges until the lanes stop, subscribing anew whenever the subscription ended or fell silent.
pub(super) async fn listen(lanes: Arc<Inner>, remote: Arc<Remote>) {
    let timing = lanes.timing;
    loop {
        let heard = async {
            if let Ok(Ok(subscription)) = timeout(timing.call, subscribe(&remote)).await {
                // Whatever was called before is lost: let everybody look.
                remote.bells.iter().for_each(|bell| bell.ring());
                lanes.nudges.iter().for_each(tokio::sync::Notify::notify_one);
                hear(&lanes, &remote, subscription, timing.deaf).await;
            }
            tokio::time::sleep(timing.poll).await;
        };
        tokio::select! {
            () = heard => {}
            () = lanes.stop.cancelled() => return,
        }
    }
}

pub(super) async fn subscribe(remote: &Remote) -> RedisResult<PubSub> {
    let mut subscription = remote.connection.pubsub().await?;
    subscription.subscribe(&[remote.bell_channel(), remote.nudge_channel(), remote.echo_channel()]).await?;
    Ok(subscription)
}

/// Passes on what it hears until the subscription ends, or is silent for longer than our own echo would be.
pub(super) async fn hear(lanes: &Inner, remote: &Remote, subscription: PubSub, deaf: Duration) {
    let (bell, nudge) = (remote.bell_channel(), remote.nudge_channel());
    let mut calls = subscription.into_on_message();
    while let Ok(Some(call)) = timeout(deaf, calls.next()).await {
        let Ok(message) = call.get_payload::<String>() else { continue };
        if call.get_channel_name() == bell {
            if let Some(lane) = lane(&message) {
                remote.bells[lane.lane()].ring();
            }
        } else if call.get_channel_name() == nudge
            && let Some((process, message)) = message.split_once(':')
            && process != lanes.process.simple().to_string()
            && let Some(lane) = lane(message)
        {
            lanes.nudges[lane.lane()].notify_one();
        }
    }
}

fn lane(number: &str) -> Option<Priority> {
    Priority::ALL.into_iter().find(|lane| lane.lane().to_string() == number)
}
