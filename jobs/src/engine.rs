//! Stub until the engine is merged.

use std::sync::Arc;

use crate::Context;
use crate::accept::Accept;
use crate::lane::{LaneError, RedisSettings};
use crate::mailer::Mailer;

pub struct Engine {
    pub accept: Accept,
    ctx: Arc<Context>,
}

#[derive(Clone, Copy, Debug)]
pub struct Health {
    pub lanes: &'static str,
    pub redis_available: bool,
}

pub async fn start(
    ctx: Arc<Context>,
    _mailer: Arc<dyn Mailer>,
    _redis: Option<RedisSettings>,
    _workers: bool,
) -> Result<Engine, LaneError> {
    Ok(Engine { accept: Accept::start(ctx.clone()), ctx })
}

impl Engine {
    pub async fn stop(self) {
        self.ctx.stop.cancel();
    }

    pub fn health(&self) -> Health {
        Health { lanes: "in process", redis_available: true }
    }
}
