//! Resume tokens of watch streams.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::table::Position;

/// The position in the log from which a watcher continues. Opaque text to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResumeToken {
    /// The id of the log that it belongs to.
    pub(crate) log_id: String,
    /// The watcher has seen everything at or before it.
    pub(crate) position: Position,
}

/// The text is not a resume token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a resume token of this service")]
pub(crate) struct InvalidToken;

impl ResumeToken {
    /// The token as text: base64 (URL-safe) of `1:offset:entry:event:log`.
    pub(crate) fn encode(&self) -> String {
        let Position { offset, entry, event } = self.position;
        URL_SAFE_NO_PAD.encode(format!("1:{offset}:{entry}:{event}:{}", self.log_id))
    }

    /// Parses a token.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] if the text has another format.
    pub(crate) fn decode(text: &str) -> Result<Self, InvalidToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)?;
        let plain = String::from_utf8(bytes).map_err(|_| InvalidToken)?;
        // The log id is everything after the fourth colon.
        let mut fields = plain.splitn(5, ':');
        let mut field = || fields.next().ok_or(InvalidToken);
        if field()? != "1" {
            return Err(InvalidToken);
        }
        let position = Position {
            offset: parse_number(field()?)?,
            entry: parse_number(field()?)?,
            event: parse_number(field()?)?,
        };
        Ok(Self { log_id: field()?.to_owned(), position })
    }
}

fn parse_number<N: std::str::FromStr>(text: &str) -> Result<N, InvalidToken> {
    text.parse().map_err(|_| InvalidToken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn token_round_trips(
            offset: u64,
            entry: u32,
            event: u32,
            log_id in "[0-9a-f-]{0,36}",
        ) {
            let token = ResumeToken { log_id, position: Position { offset, entry, event } };
            prop_assert_eq!(ResumeToken::decode(&token.encode()), Ok(token));
        }

        #[test]
        fn decoding_any_text_does_not_panic(text in ".{0,80}") {
            let _: Result<ResumeToken, InvalidToken> = ResumeToken::decode(&text);
        }
    }

    #[test]
    fn token_of_another_format_is_refused() {
        let later = URL_SAFE_NO_PAD.encode("2:1:0:0:log");
        assert_eq!(ResumeToken::decode(&later), Err(InvalidToken));
    }
}
