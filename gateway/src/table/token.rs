//! Resume tokens of watch streams. They are encrypted, because a position in the log tells how much
//! all tenants write to it.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use sha2::{Digest, Sha256};

use crate::table::Position;

/// The version of the format.
const VERSION: u8 = 2;
/// The size of what identifies a log, in bytes.
const LOG_BYTES: usize = 8;
/// The size of an encoded position, in bytes.
const POSITION_BYTES: usize = 16;

/// Makes and reads the tokens of one log. Every gateway derives the same keys from the log's id,
/// which is random and leaves the mesh in no other form.
///
/// A token is base64 (URL-safe) of: the version (1 byte), a digest that identifies the log (8
/// bytes), a nonce (12 bytes), and the encrypted position with its tag (16 + 16 bytes). The nonce
/// is a keyed hash of the position, so that no nonce is ever used for two positions.
#[derive(Clone)]
pub(crate) struct ResumeTokens(Arc<Keys>);

struct Keys {
    log: [u8; LOG_BYTES],
    encryption: Option<LessSafeKey>,
    nonces: hmac::Key,
}

/// Why a text is not a token of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidToken {
    /// It is no token, or was changed.
    #[error("not a resume token of this service")]
    Malformed,
    /// It is that of another log.
    #[error("the resume token belongs to another log")]
    AnotherLog,
}

impl ResumeTokens {
    /// The tokens of a log.
    pub(crate) fn of(log_id: &str) -> Self {
        let derived = |purpose: &str| -> [u8; 32] {
            let parts = ["solvemesh resume token", purpose, log_id];
            Sha256::digest(parts.join("\0")).into()
        };
        let mut log = [0; LOG_BYTES];
        log.copy_from_slice(&derived("log")[..LOG_BYTES]);
        // 32 bytes are a key of this algorithm, so there is always one.
        let encryption = UnboundKey::new(&CHACHA20_POLY1305, &derived("encryption"));
        let encryption = encryption.ok().map(LessSafeKey::new);
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, &derived("nonce"));
        Self(Arc::new(Keys { log, encryption, nonces }))
    }

    /// The token from which a watcher continues that has seen everything at or before a position.
    pub(crate) fn encode(&self, position: Position) -> String {
        let Keys { log, encryption, nonces } = &*self.0;
        let mut sealed = to_bytes(position).to_vec();
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&hmac::sign(nonces, &sealed).as_ref()[..NONCE_LEN]);
        let head = [&[VERSION], &log[..], &nonce].concat();
        let encrypted = encryption.as_ref().is_some_and(|key| {
            let (nonce, head) = (Nonce::assume_unique_for_key(nonce), Aad::from(&head));
            key.seal_in_place_append_tag(nonce, head, &mut sealed).is_ok()
        });
        if !encrypted {
            // Never the plain text. Such a token is refused, and the client starts again.
            sealed.clear();
        }
        URL_SAFE_NO_PAD.encode([head, sealed].concat())
    }

    /// The position of a token.
    ///
    /// # Errors
    ///
    /// When the text is not a token of this log.
    pub(crate) fn decode(&self, text: &str) -> Result<Position, InvalidToken> {
        use InvalidToken::{AnotherLog, Malformed};
        let Keys { log, encryption, .. } = &*self.0;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed)?;
        let (head, sealed) = bytes.split_at_checked(1 + LOG_BYTES + NONCE_LEN).ok_or(Malformed)?;
        let (version, rest) = head.split_first().ok_or(Malformed)?;
        let (of_log, nonce) = rest.split_at(LOG_BYTES);
        if *version != VERSION {
            return Err(Malformed);
        }
        if of_log != log {
            return Err(AnotherLog);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Malformed)?;
        let mut sealed = sealed.to_vec();
        let key = encryption.as_ref().ok_or(Malformed)?;
        let opened = key.open_in_place(nonce, Aad::from(head), &mut sealed);
        from_bytes(opened.map_err(|_| Malformed)?).ok_or(Malformed)
    }
}

/// Without the keys.
impl fmt::Debug for ResumeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeTokens").finish_non_exhaustive()
    }
}

/// Offset (8 bytes), entry and event (4 bytes each), big-endian.
fn to_bytes(Position { offset, entry, event }: Position) -> [u8; POSITION_BYTES] {
    let mut bytes = [0; POSITION_BYTES];
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes[8..12].copy_from_slice(&entry.to_be_bytes());
    bytes[12..].copy_from_slice(&event.to_be_bytes());
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<Position> {
    let (offset, rest) = bytes.split_first_chunk::<8>()?;
    let (entry, event) = rest.split_first_chunk::<4>()?;
    Some(Position {
        offset: u64::from_be_bytes(*offset),
        entry: u32::from_be_bytes(*entry),
        event: u32::from_be_bytes(event.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn position()(offset: u64, entry: u32, event: u32) -> Position {
            Position { offset, entry, event }
        }
    }

    proptest! {
        #[test]
        fn tokens_round_trip_on_every_gateway(position in position(), log_id in "[0-9a-f-]{0,36}") {
            let token = ResumeTokens::of(&log_id).encode(position);
            prop_assert_eq!(ResumeTokens::of(&log_id).decode(&token), Ok(position));
        }

        #[test]
        fn decoding_any_text_does_not_panic(text in ".{0,90}") {
            prop_assert_eq!(ResumeTokens::of("a").decode(&text), Err(InvalidToken::Malformed));
        }

        #[test]
        fn a_token_that_was_changed_is_refused(position in position(), at in 0_usize..53, bit in 0..8) {
            let tokens = ResumeTokens::of("a");
            let mut bytes = URL_SAFE_NO_PAD.decode(tokens.encode(position)).expect("base64");
            prop_assert_eq!(bytes.len(), 53);
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(tokens.decode(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }

        #[test]
        fn a_token_does_not_show_its_position(offset in 0_u64..1_000_000) {
            let token = |offset| {
                let position = Position { offset, entry: 0, event: 0 };
                URL_SAFE_NO_PAD.decode(ResumeTokens::of("a").encode(position)).expect("base64")
            };
            // Neighbours have nothing in common behind what identifies the log: about half of the
            // bits differ.
            let (one, next) = (token(offset), token(offset + 1));
            let pairs = one[9..].iter().zip(&next[9..]);
            let different: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
            prop_assert!((100..=252).contains(&different), "{different} of 352 bits");
        }
    }

    #[test]
    fn a_token_of_another_log_is_recognised() {
        let token = ResumeTokens::of("one").encode(Position::default());
        assert_eq!(ResumeTokens::of("two").decode(&token), Err(InvalidToken::AnotherLog));
    }
}
