//! What a broker says of itself when a connection begins: its product, version and cluster.
//!
//! lapin reads this and does not pass it on. So the stream keeps a copy of the first bytes that
//! are read from it, which are the frame with these properties.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use lapin::{
    protocol::{self, AMQPClass, connection::AMQPMethod},
    types::{AMQPValue, FieldTable},
};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::runtime::AsyncStream;

/// The maximum number of bytes that are kept. The properties of RabbitMQ take half a kilobyte.
const MAX_BYTES: usize = 16 << 10;
/// The size of a frame's type, channel and length.
const HEADER_BYTES: usize = 7;

/// What a broker says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerProperties {
    /// The name of the program, such as `RabbitMQ`. `None` if it was not said.
    pub product: Option<String>,
    /// Its version, such as `3.13.7`.
    pub version: Option<String>,
    /// The name of its cluster.
    pub cluster: Option<String>,
}

/// The first bytes that were read from a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Greeting(Arc<Mutex<Vec<u8>>>);

impl Greeting {
    /// The properties, if they were read completely.
    pub(super) fn properties(&self) -> Option<BrokerProperties> {
        let bytes = self.0.lock();
        let length: [u8; 4] = bytes.get(3..HEADER_BYTES)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let payload = bytes.get(HEADER_BYTES..)?.get(..length)?;
        let (_, class) = protocol::parse_class(payload).ok()?;
        let AMQPClass::Connection(AMQPMethod::Start(start)) = class else { return None };
        let said = |key| text(&start.server_properties, key);
        let (product, version, cluster) = (said("product"), said("version"), said("cluster_name"));
        Some(BrokerProperties { product, version, cluster })
    }
}

fn text(table: &FieldTable, key: &str) -> Option<String> {
    match table.inner().get(key)? {
        AMQPValue::LongString(value) => Some(value.to_string()),
        AMQPValue::ShortString(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A stream that keeps a copy of the first bytes that are read from it.
pub(super) struct Recording<S> {
    pub(super) stream: S,
    pub(super) greeting: Greeting,
}

impl<S: AsyncStream> AsyncRead for Recording<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let mut kept = self.greeting.0.lock();
        let room = MAX_BYTES - kept.len();
        if room > 0 {
            let new = buffer.filled().get(before..).unwrap_or_default();
            kept.extend_from_slice(&new[..new.len().min(room)]);
        }
        read
    }
}

impl<S: AsyncStream> AsyncWrite for Recording<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// The start of a connection with these properties, as RabbitMQ sends it.
    fn frame(properties: &[(&str, &str)]) -> Vec<u8> {
        let mut table = Vec::new();
        for (key, value) in properties {
            table.push(u8::try_from(key.len()).unwrap());
            table.extend(key.as_bytes());
            table.push(b'S');
            table.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            table.extend(value.as_bytes());
        }
        // Class 10, method 10, version 0-9, properties, mechanisms, locales.
        let mut payload = vec![0, 10, 0, 10, 0, 9];
        payload.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
        payload.extend(table);
        for text in ["PLAIN", "en_US"] {
            payload.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            payload.extend(text.as_bytes());
        }
        let mut frame = vec![1, 0, 0];
        frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(payload);
        frame.push(0xce);
        frame
    }

    async fn read(bytes: Vec<u8>) -> Greeting {
        let greeting = Greeting::default();
        let (mut far, near) = tokio::io::duplex(64 << 10);
        tokio::io::AsyncWriteExt::write_all(&mut far, &bytes).await.unwrap();
        drop(far);
        let mut recording = Recording { stream: near, greeting: greeting.clone() };
        let mut all = Vec::new();
        recording.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, bytes, "nothing is lost");
        greeting
    }

    #[tokio::test]
    async fn the_version_is_read_from_the_first_frame() {
        let said = [("product", "RabbitMQ"), ("version", "4.1.0"), ("cluster_name", "rabbit@a")];
        let mut bytes = frame(&said);
        bytes.extend([0; 40 << 10]);
        let properties = read(bytes).await.properties().unwrap();
        assert_eq!(properties.product.as_deref(), Some("RabbitMQ"));
        assert_eq!(properties.version.as_deref(), Some("4.1.0"));
        assert_eq!(properties.cluster.as_deref(), Some("rabbit@a"));
    }

    #[tokio::test]
    async fn what_is_incomplete_or_no_frame_has_no_properties() {
        let whole = frame(&[("version", "4.1.0")]);
        let cut = whole[..whole.len() - 2].to_vec();
        for bytes in [cut, Vec::new(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), vec![0xff; 99]]
        {
            assert_eq!(read(bytes).await.properties(), None);
        }
        assert_eq!(read(frame(&[])).await.properties(), Some(BrokerProperties::default()));
    }
}
