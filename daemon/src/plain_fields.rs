use std::fmt::{self, Write as _};

use tracing::field::Field;
use tracing_subscriber::{
    field::MakeExt as _,
    fmt::{
        FormatFields,
        format::{Writer, debug_fn},
    },
};

/// Formats the message and the fields of an event with control characters escaped. Text from
/// outside (names, labels, a broker's messages) can then neither start a line of its own nor
/// move the cursor of the terminal that shows the log.
pub(crate) fn plain() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(write_field).delimited(" ")
}

fn write_field(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(to, "{field}=")?;
    }
    let mut plain = Plain(to);
    write!(plain, "{value:?}")
}

/// Passes text on with what is harmful in it escaped.
struct Plain<W>(W);

impl<W: fmt::Write> fmt::Write for Plain<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_harmful) {
            let (harmless, harmful) = rest.split_at(at);
            self.0.write_str(harmless)?;
            let mut chars = harmful.chars();
            if let Some(c) = chars.next() {
                write!(self.0, "{}", c.escape_default())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Whether a character would move the cursor, break the line or turn the text around.
fn is_harmful(c: char) -> bool {
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || breaks || turns
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics here").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line that an event becomes, with a text as its message and in its fields, and in
    /// those of its span.
    fn logged(text: &str, colours: bool) -> String {
        let sink = Sink::default();
        let to = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(colours)
            .fmt_fields(plain())
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("span", of = %text);
            let _entered = span.enter();
            tracing::info!(shown = %text, debugged = ?text, plain = text, number = 3, "{text}");
        });
        let bytes = sink.0.lock().expect("no test panics here").clone();
        let lines = String::from_utf8(bytes).expect("UTF-8");
        lines.strip_suffix('\n').expect("a line").to_owned()
    }

    #[test]
    fn what_comes_from_outside_is_shown_and_not_obeyed() {
        let hostile = "a\u{1b}[2J\u{1b}[31mb\nINFO forged\r\u{9b}c\u{202e}d\u{2028}e\u{7}";
        let line = logged(hostile, false);
        assert!(!line.contains(is_harmful), "{line:?}");
        assert_eq!(line.matches("forged").count(), 5, "{line:?}");
        // Nor the colours of others, beside our own.
        let line = logged(hostile, true);
        assert!(line.contains('\u{1b}') && !line.contains("\u{1b}[31m"), "{line:?}");
        assert!(!line.contains(|c| is_harmful(c) && c != '\u{1b}'), "{line:?}");
    }

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        let line = logged("Türen öffnen", false);
        let fields = r#"Türen öffnen shown=Türen öffnen debugged="Türen öffnen" plain="Türen öffnen" number=3"#;
        assert!(line.ends_with(fields), "{line}");
    }
}
