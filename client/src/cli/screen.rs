use std::io::{self, IsTerminal, Write};

use solvemesh_client::v1::Event;

use super::lines::line;

/// What is told on the way.
#[derive(Debug)]
pub(super) struct Screen {
    telling: Telling,
    /// Whether a line of progress stands where the cursor is.
    drawn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Nothing,
    Progress,
    EventsOnStderr,
    EventsOnStdout,
}

impl Screen {
    /// Every event if `verbose`; else a line of progress if there is a terminal.
    pub(super) fn new(verbose: bool) -> Self {
        let telling = match (verbose, io::stderr().is_terminal()) {
            (true, _) => Telling::EventsOnStderr,
            (false, true) => Telling::Progress,
            (false, false) => Telling::Nothing,
        };
        Self { telling, drawn: false }
    }

    /// Every event, as data.
    pub(super) fn of_data() -> Self {
        Self { telling: Telling::EventsOnStdout, drawn: false }
    }

    /// Tells an event, where events are told.
    pub(super) fn event(&self, event: &Event) -> io::Result<()> {
        match self.telling {
            Telling::Nothing | Telling::Progress => Ok(()),
            Telling::EventsOnStderr => {
                // A solve goes on though nobody listens to how it goes.
                let _ = writeln!(io::stderr(), "{}", line(event));
                Ok(())
            }
            Telling::EventsOnStdout => writeln!(io::stdout(), "{}", line(event)),
        }
    }

    /// Whether there is a line of progress to be drawn now and then.
    pub(super) fn shows_progress(&self) -> bool {
        self.telling == Telling::Progress
    }

    /// Draws the line of progress, cut off at the edge of the terminal.
    pub(super) fn draw(&mut self, progress: &str) {
        let _ = write!(io::stderr(), "\x1b[?7l\r\x1b[2K{progress}\x1b[?7h");
        self.drawn = true;
    }

    /// Takes the line of progress away.
    pub(super) fn clear(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[2K");
            self.drawn = false;
        }
    }

    /// Says something to whoever sits before the terminal.
    pub(super) fn say(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Says something while another screen may have drawn its line of progress.
    pub(super) fn aside(text: &str) {
        let drawn = io::stderr().is_terminal();
        Self { telling: Telling::Nothing, drawn }.say(text);
    }

    /// Says something that scripts do without.
    pub(super) fn hint(&mut self, text: &str) {
        if matches!(self.telling, Telling::Progress | Telling::EventsOnStderr) {
            self.say(text);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}
