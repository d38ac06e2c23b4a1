//! A minimal gRPC-Web client over HTTP/1.1, which sends what a browser's network stack
//! would: one request on each connection, with a chunked response.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use bytes::{Buf, BufMut};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::within;

/// The bit of a frame's first byte that marks trailers.
const TRAILERS: u8 = 0x80;

/// A response over HTTP/1.1.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

/// The decoded response of a gRPC-Web call.
#[derive(Debug)]
pub struct Call<M> {
    /// The messages.
    pub messages: Vec<M>,
    /// The trailers, names in lower case, from the last frame.
    pub trailers: HashMap<String, String>,
}

/// Sends a request over a new connection, and reads the whole response. `head` is the
/// request line without the HTTP version. Without a header `host`, that is the address.
pub async fn exchange(
    server: SocketAddr,
    head: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let stream = TcpStream::connect(server).await.expect("a server that listens");
    exchange_over(stream, server, head, headers, body).await
}

/// As [`exchange`], over a connection that is open.
pub async fn exchange_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    server: SocketAddr,
    head: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = format!("{head} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request.push_str(&format!("host: {server}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes()).await.expect("a request sent");
    stream.write_all(body).await.expect("a body sent");
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    within(Duration::from_secs(120), "the answer's end", read).await.expect("an answer");
    Answer::parse(&bytes)
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
        let head = std::str::from_utf8(&bytes[..end]).expect("headers in ASCII");
        let (line, rest) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let headers = fields(rest);
        let body = &bytes[end + 4..];
        let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let body = if chunked { join_chunks(body) } else { body.to_vec() };
        Self { status: status.expect("a status code"), headers, body }
    }

    /// Decodes the frames of a gRPC-Web response: messages, then one frame of trailers.
    pub fn call<M: Message + Default>(&self) -> Call<M> {
        assert_eq!(self.status, 200, "{self:?}");
        let mut body = &self.body[..];
        let mut messages = Vec::new();
        // Each frame begins with a byte of flags and its length in four bytes.
        while body.remaining() >= 5 {
            let flags = body.get_u8();
            let length = body.get_u32() as usize;
            let frame = body.copy_to_bytes(length);
            if flags & TRAILERS != 0 {
                assert!(!body.has_remaining(), "bytes after the trailers");
                let text = std::str::from_utf8(&frame).expect("trailers in ASCII");
                return Call { messages, trailers: fields(text) };
            }
            messages.push(M::decode(frame).expect("a message"));
        }
        panic!("no trailers after {} messages", messages.len());
    }
}

/// Encodes the message of a unary request as a gRPC-Web frame.
pub fn frame(message: &impl Message) -> Vec<u8> {
    let mut frame = vec![0];
    frame.put_u32(u32::try_from(message.encoded_len()).expect("a message under 4 GiB"));
    frame.put_slice(&message.encode_to_vec());
    frame
}

/// Parses lines of `name: value`.
fn fields(text: &str) -> HashMap<String, String> {
    let fields = text.split("\r\n").filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect()
}

/// Decodes a body with `transfer-encoding: chunked`.
fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's size");
        let size = std::str::from_utf8(&rest[..end]).expect("a size in ASCII");
        let size = usize::from_str_radix(size, 16).expect("a size in hexadecimal");
        rest = &rest[end + 2..];
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_up_to_the_empty_one() {
        assert_eq!(join_chunks(b"3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n"), b"abc0123456789");
    }
}
