//! What Mailgun tells of who read a message.

use serde_json::{Value, json};

use crate::sandbox::fate::Reader;

/// From where, and with what, a message was read. The address is of those that documentation may use (RFC 5737).
pub(super) fn read(reader: Reader) -> Value {
    let client = match reader {
        Reader::Person => json!({
            "client-type": "browser", "client-os": "Linux", "device-type": "desktop", "client-name": "Chromium",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 \
                           Safari/537.36",
            "bot": "",
        }),
        Reader::Machine => json!({
            "client-type": "unknown", "client-os": "unknown", "device-type": "unknown", "client-name": "unknown",
            "user-agent": "Mozilla/5.0", "bot": "apple",
        }),
    };
    let place = json!({ "country": "US", "region": "TX", "city": "Austin" });
    json!({ "ip": "192.0.2.77", "geolocation": place, "client-info": client })
}

pub(super) fn clicked() -> Value {
    let mut data = read(Reader::Person);
    data["url"] = "https://example.com/".into();
    data
}
