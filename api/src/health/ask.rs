//! `mailmind health`: asks the service on LISTEN whether it is ready. For images that hold nothing else that could ask.

use std::time::Duration;

use crate::config::Config;
use crate::failure::Failure;
use crate::webhook;

/// Less than whoever asks waits.
const PATIENCE: Duration = Duration::from_secs(4);

/// Prints what `/health/ready` says.
///
/// # Errors
/// Nobody answers there, or it says that it can't take emails.
pub async fn ask(config: &Config) -> Result<(), Failure> {
    let at = format!("http://{}", config.listen);
    // Whoever listens everywhere listens on this machine too.
    let base = webhook::on_this_machine(&at).map_or(at, |url| url.origin().ascii_serialization());
    let unhealthy = |error: reqwest::Error| Failure::NotReady(error.without_url().to_string());
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(unhealthy)?;
    let answer = client.get(format!("{base}/health/ready")).send().await.map_err(unhealthy)?;
    let status = answer.status();
    let said = answer.text().await.map_err(unhealthy)?;
    if !status.is_success() {
        return Err(Failure::NotReady(said));
    }
    println!("{said}");
    Ok(())
}
