//! Opens one connection to one node: TCP, TLS and the AMQP handshake.

use std::{io, sync::Arc, time::Duration};

use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ErrorKind};
use parking_lot::Mutex;
use tokio::{task, time};
use tokio_rustls::rustls::ClientConfig;

use super::{
    dial::{self, DialError, dial},
    greeting::{Greeting, Recording},
    runtime,
    tls::TlsFiles,
    url::Address,
};

/// Why no connection was opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// There is no TCP connection.
    Tcp(String),
    /// TLS failed.
    Tls(String),
    /// The AMQP handshake failed: in the network, or because the broker refused it.
    Amqp(lapin::Error),
    /// The broker did not complete the AMQP handshake in time.
    Timeout,
}

impl From<DialError> for OpenError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Tls(why) => Self::Tls(why),
            DialError::Tcp(why) => Self::Tcp(why),
        }
    }
}

/// Opens a connection. `name` is shown by the broker's management tools. The TCP connection, the
/// TLS handshake and the AMQP handshake may each take at most `limit`. What the broker says of
/// itself is in `greeting` afterwards, if one is given, also if the handshake failed after that.
pub(super) async fn open(
    address: Address,
    tls: &Arc<TlsFiles>,
    name: &str,
    limit: Duration,
    greeting: Option<&Greeting>,
) -> Result<Connection, OpenError> {
    let is_encrypted = address.server_name.is_some();
    let config = match address.server_name {
        Some(_) => Some(read_tls(tls).await.map_err(OpenError::Tls)?),
        None => None,
    };
    let stream = dial(&address, config, limit).await?;
    let stream = match greeting.cloned() {
        Some(greeting) => runtime::stream(Recording { stream: stream.into_inner(), greeting }),
        None => stream,
    };
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let stream = Mutex::new(Some(AsyncTcpStream::Plain(stream)));
    // lapin may call this again to reconnect. The second call fails, as reconnecting is the
    // caller's task.
    let take = async move |_, _| {
        let stream = stream.lock().take();
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
    };
    let connecting = Connection::connector(address.uri, runtime::current(), take, properties);
    match time::timeout(limit, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        // With TLS 1.3, a rejected client certificate shows only after the handshake.
        Ok(Err(error)) => {
            let tls_error = describe_tls_error(&error, tls.identity.is_some());
            Err(match tls_error.filter(|_| is_encrypted) {
                Some(tls_error) => OpenError::Tls(format!("TLS failed: {tls_error}")),
                None => OpenError::Amqp(error),
            })
        }
        Err(_) => Err(OpenError::Timeout),
    }
}

/// Reads the TLS files, which may have changed since the last connection.
async fn read_tls(tls: &Arc<TlsFiles>) -> Result<Arc<ClientConfig>, String> {
    let tls = Arc::clone(tls);
    let read = task::spawn_blocking(move || tls.read()).await;
    read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Describes the error of an encrypted connection that lapin could not open, if TLS is the cause.
fn describe_tls_error(error: &lapin::Error, with_identity: bool) -> Option<String> {
    match error.kind() {
        ErrorKind::IOError(error) => {
            dial::describe_tls_error(error).or_else(|| dial::closed_early(error, with_identity))
        }
        _ => None,
    }
}
