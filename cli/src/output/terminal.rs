use std::io::{self, IsTerminal, Write};

use solvemesh_client::v1::{Event, event::Kind};

use crate::{
    args::output::LiveArgs,
    output::{
        event_text::{line, what},
        text::printable,
    },
};

/// What is told on the way.
#[derive(Debug)]
pub(crate) struct Screen {
    telling: Telling,
    live: LiveArgs,
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
    pub(crate) fn new(verbose: bool) -> Self {
        let telling = match (verbose, io::stderr().is_terminal()) {
            (true, _) => Telling::EventsOnStderr,
            (false, true) => Telling::Progress,
            (false, false) => Telling::Nothing,
        };
        Self { telling, live: LiveArgs::default(), drawn: false }
    }

    /// Every event, as data.
    pub(crate) fn of_data() -> Self {
        Self { telling: Telling::EventsOnStdout, live: LiveArgs::default(), drawn: false }
    }

    /// Tells incumbents and the solver's log too.
    pub(crate) fn telling(self, live: LiveArgs) -> Self {
        Self { live, ..self }
    }

    /// Whether incumbents are told.
    pub(crate) fn shows_incumbents(&self) -> bool {
        self.live.incumbents || self.tells_events()
    }

    /// Whether the solver's log is told.
    pub(crate) fn shows_log(&self) -> bool {
        self.live.log
    }

    fn tells_events(&self) -> bool {
        matches!(self.telling, Telling::EventsOnStderr | Telling::EventsOnStdout)
    }

    /// Tells an event, where events are told.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            Some(Kind::Log(log)) if self.live.log => {
                log.lines.iter().for_each(|line| self.say(&printable(line)));
                if log.omitted > 0 {
                    self.say(&format!("({} more lines of the log are left out)", log.omitted));
                }
                return Ok(());
            }
            Some(kind @ Kind::Incumbent(_)) if self.live.incumbents && !self.tells_events() => {
                self.say(&printable(&what(kind)));
                return Ok(());
            }
            _ => {}
        }
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
    pub(crate) fn shows_progress(&self) -> bool {
        self.telling == Telling::Progress
    }

    /// Draws the line of progress, cut off at the edge of the terminal.
    pub(crate) fn draw(&mut self, progress: &str) {
        let _ = write!(io::stderr(), "\x1b[?7l\r\x1b[2K{progress}\x1b[?7h");
        self.drawn = true;
    }

    /// Takes the line of progress away.
    pub(crate) fn clear(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[2K");
            self.drawn = false;
        }
    }

    /// Says something to whoever sits before the terminal.
    pub(crate) fn say(&mut self, text: &str) {
        self.clear();
        for line in text.lines() {
            let _ = writeln!(io::stderr(), "{}", printable(line));
        }
    }

    /// Says something while another screen may have drawn its line of progress.
    pub(crate) fn aside(text: &str) {
        let drawn = io::stderr().is_terminal();
        Self { telling: Telling::Nothing, live: LiveArgs::default(), drawn }.say(text);
    }

    /// Says something that scripts do without.
    pub(crate) fn hint(&mut self, text: &str) {
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
