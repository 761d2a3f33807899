//! What becomes of emails in numbers, by campaign × sending domain and hour (`campaign_delivery_metrics`): counted while it
//! happens, summed when it is asked.

mod counts;
mod figures;
mod read;

pub use counts::{Counts, hour};
pub use figures::{Figures, Point};
pub use read::{
    Granularity, MOST_POINTS, Over, Range, history, of, of_asked, of_campaign, of_campaigns, of_campaigns_asked,
};
