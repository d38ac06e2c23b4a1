use std::io::{self, IsTerminal, Write};

use solvemesh_client::v1::{JobEvent, job_event::Kind};

use crate::{
    args::output::LiveArgs,
    output::{
        event_text::{line, log_lines, what},
        text::printable,
    },
};

/// The terminal output of a command while it waits: a progress line or events, and messages.
#[derive(Debug)]
pub(crate) struct Terminal {
    events: EventOutput,
    live: LiveArgs,
    /// Whether the cursor is on a progress line, which must be erased before other output.
    drawn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EventOutput {
    None,
    ProgressLine,
    Stderr,
    Stdout,
}

impl Terminal {
    /// Prints every event to standard error if `verbose`, else draws a progress line if standard
    /// error is a terminal.
    pub(crate) fn new(verbose: bool) -> Self {
        let events = match (verbose, io::stderr().is_terminal()) {
            (true, _) => EventOutput::Stderr,
            (false, true) => EventOutput::ProgressLine,
            (false, false) => EventOutput::None,
        };
        Self { events, live: LiveArgs::default(), drawn: false }
    }

    /// Prints every event to standard output.
    pub(crate) fn of_data() -> Self {
        Self { events: EventOutput::Stdout, live: LiveArgs::default(), drawn: false }
    }

    /// Prints incumbents and the solver's log as well, if these flags ask for them.
    pub(crate) fn telling(self, live: LiveArgs) -> Self {
        Self { live, ..self }
    }

    /// Whether incumbents are printed; if not, the watch need not receive them.
    pub(crate) fn shows_incumbents(&self) -> bool {
        self.live.incumbents || self.prints_events()
    }

    /// Whether the solver's log is printed; if not, the watch need not receive it.
    pub(crate) fn shows_log(&self) -> bool {
        self.live.log
    }

    fn prints_events(&self) -> bool {
        matches!(self.events, EventOutput::Stderr | EventOutput::Stdout)
    }

    /// Prints an event, if this output prints events of its kind.
    ///
    /// # Errors
    ///
    /// Those of writing to standard output; errors of standard error are ignored.
    pub(crate) fn event(&mut self, event: &JobEvent) -> io::Result<()> {
        match &event.kind {
            Some(Kind::Log(log)) if self.live.log => {
                log_lines(log).for_each(|line| self.say(&line));
                return Ok(());
            }
            Some(kind @ Kind::Incumbent(_)) if self.live.incumbents && !self.prints_events() => {
                self.say(&printable(&what(kind)));
                return Ok(());
            }
            _ => {}
        }
        match self.events {
            EventOutput::None | EventOutput::ProgressLine => Ok(()),
            EventOutput::Stderr => {
                // A closed standard error does not end the command.
                let _ = writeln!(io::stderr(), "{}", line(event));
                Ok(())
            }
            EventOutput::Stdout => writeln!(io::stdout(), "{}", line(event)),
        }
    }

    /// Whether events are printed to standard error (`--verbose`).
    pub(crate) fn is_verbose(&self) -> bool {
        self.events == EventOutput::Stderr
    }

    /// Whether a progress line is drawn.
    pub(crate) fn shows_progress(&self) -> bool {
        self.events == EventOutput::ProgressLine
    }

    /// Draws the progress line.
    pub(crate) fn draw(&mut self, progress: &str) {
        // `?7l` and `?7h` turn line wrapping off and on, so that a long line is cut off at the
        // edge: of a wrapped one, `\r` and `2K` would erase only the last row.
        let _ = write!(io::stderr(), "\x1b[?7l\r\x1b[2K{progress}\x1b[?7h");
        self.drawn = true;
    }

    /// Erases the progress line.
    pub(crate) fn clear(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[2K");
            self.drawn = false;
        }
    }

    /// Prints a message to standard error.
    pub(crate) fn say(&mut self, text: &str) {
        self.clear();
        for line in text.lines() {
            let _ = writeln!(io::stderr(), "{}", printable(line));
        }
    }

    /// Prints a message where the screen that may have drawn a progress line is out of reach.
    pub(crate) fn aside(text: &str) {
        let drawn = io::stderr().is_terminal();
        Self { events: EventOutput::None, live: LiveArgs::default(), drawn }.say(text);
    }

    /// Prints a message for people; nothing if there is no terminal and no `--verbose`.
    pub(crate) fn hint(&mut self, text: &str) {
        if matches!(self.events, EventOutput::ProgressLine | EventOutput::Stderr) {
            self.say(text);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}
