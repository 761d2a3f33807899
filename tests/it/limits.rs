//! How much one caller may ask for: by their key, by their address before that is known, and by the connections that they hold. What
//! is refused is said in the way of each door, nothing is done of it, and others notice nothing.

mod connections;
mod heads;
mod hostile;
mod keys;
mod shared;
mod strangers;

use std::net::{IpAddr, SocketAddr};

use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use tests::patience::SOON;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::api::Served;

/// A key of the program's own making.
async fn made(served: &Served) -> String {
    served.command(&["key", "create"]).await.pop().unwrap()
}

fn retry_after(answer: &Response) -> Option<u64> {
    answer.headers().get(header::RETRY_AFTER)?.to_str().unwrap().parse().ok()
}

/// The code of a refusal, which says when to come back.
async fn limited(answer: Response) -> String {
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(retry_after(&answer).is_some_and(|seconds| seconds > 0), "{answer:?}");
    let body: Value = answer.json().await.unwrap();
    body["errors"][0]["extensions"]["code"].as_str().or(body["code"].as_str()).unwrap().to_owned()
}

/// A connection by hand.
struct Wire(TcpStream);

impl Wire {
    async fn to(served: &Served) -> Self {
        Self::from("127.0.0.1", served).await
    }

    /// One from this address of this machine.
    async fn from(address: &str, served: &Served) -> Self {
        Self::narrow(address, served, None).await
    }

    /// One that takes so many bytes at a time.
    async fn narrow(address: &str, served: &Served, receives: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0)).unwrap();
        if let Some(bytes) = receives {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let to: SocketAddr = served.url.trim_start_matches("http://").parse().unwrap();
        Self(socket.connect(to).await.unwrap())
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything up to the end of the connection.
    async fn hear_to_the_end(&mut self) -> String {
        let mut heard = Vec::new();
        // One that is cut off may break instead of ending.
        timeout(SOON, self.0.read_to_end(&mut heard)).await.expect("the connection to end").ok();
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// The status of the next answer, whose body has this end.
    async fn status(&mut self) -> u16 {
        let mut heard = Vec::new();
        let read = async {
            loop {
                let mut some = [0; 1_024];
                match self.0.read(&mut some).await.unwrap() {
                    0 => break,
                    n => heard.extend_from_slice(&some[..n]),
                }
                let text = String::from_utf8_lossy(&heard);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or_default() {
                    break;
                }
            }
        };
        timeout(SOON, read).await.expect("an answer");
        let text = String::from_utf8_lossy(&heard);
        text.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {text:?}")).parse().unwrap()
    }

    /// Asks how the process lives, and answers the status.
    async fn live(&mut self) -> u16 {
        self.say("GET /health/live HTTP/1.1\r\nhost: mailmind\r\n\r\n").await;
        self.status().await
    }
}
