//! An application of the public API in this very process: documents go in, data comes out.

use std::pin::Pin;

use async_graphql::{Request, Response, Variables};
use futures::{Stream, StreamExt};
use serde_json::Value;

use crate::app::App;
use crate::auth::Principal;
use crate::failure::Failure;

/// Somebody with a key of the scope ADMIN.
pub struct Caller {
    app: App,
}

/// What a subscription tells.
pub type Told = Pin<Box<dyn Stream<Item = Result<Value, Failure>> + Send>>;

impl Caller {
    /// Asks this process.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// Does an operation with one field and answers that.
    ///
    /// # Errors
    /// In its words, whatever went wrong; what there is to mend included.
    pub async fn ask(&self, document: &str, variables: Value) -> Result<Value, Failure> {
        field(self.app.schema.execute(self.request(document, variables)).await)
    }

    /// Follows a subscription.
    pub fn follow(&self, document: &str, variables: Value) -> Told {
        self.app.schema.execute_stream(self.request(document, variables)).map(field).boxed()
    }

    fn request(&self, document: &str, variables: Value) -> Request {
        let request = Request::new(document).variables(Variables::from_json(variables));
        request.data(self.app.clone()).data(Principal::ADMIN)
    }
}

fn field(answer: Response) -> Result<Value, Failure> {
    if let Some(error) = answer.errors.first() {
        return Err(Failure::Demo(error.message.clone()));
    }
    let data = answer.data.into_json().unwrap_or_default();
    let field = data.as_object().and_then(|fields| fields.values().next()).cloned().unwrap_or_default();
    let mistakes = field["userErrors"].as_array().map(Vec::as_slice).unwrap_or_default();
    match mistakes.first() {
        Some(error) => Err(Failure::Demo(error["message"].as_str().unwrap_or_default().to_owned())),
        None => Ok(field),
    }
}
