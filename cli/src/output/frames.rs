//! Blocks of text on standard output, of which each replaces the last one on a terminal.

use std::io::{self, Write};

use terminal_size::{Height, Width, terminal_size_of};

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    width: usize,
    height: usize,
}

/// Writes blocks of text: on a terminal in place of the last one, elsewhere below it, after an
/// empty line.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Whether a block was written.
    any: bool,
    /// Number of rows above the cursor that the next block replaces.
    rows: usize,
}

impl Frames {
    /// Shows a block, each of whose lines ends with a line break.
    ///
    /// # Errors
    ///
    /// Those of writing to standard output.
    pub(crate) fn show(&mut self, text: &str) -> io::Result<()> {
        let shown = match size() {
            Some(size) => self.in_place(text, size),
            None if self.any => format!("\n{text}"),
            None => text.to_owned(),
        };
        self.any = true;
        // In one piece, so that the terminal does not show half of it.
        let mut out = io::stdout().lock();
        out.write_all(shown.as_bytes())?;
        out.flush()
    }

    /// Keeps the last block: the next one is written below. To be called when other output has
    /// moved the cursor.
    pub(crate) fn keep_last(&mut self) {
        self.rows = 0;
    }

    /// The block with the control sequences that write it over the last one.
    fn in_place(&mut self, text: &str, size: Size) -> String {
        let lines = fit_height(text.lines().map(|line| fit_width(line, size.width)), size.height);
        let up = match self.rows {
            0 => String::new(),
            rows => format!("\x1b[{rows}A\r"),
        };
        // `K` and `J` erase what is left of the last block on a line and below it. As in
        // `Terminal::draw`, lines do not wrap: a wide character is counted as one column here.
        let body: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        self.rows = lines.len();
        format!("\x1b[?7l{up}{body}\x1b[J\x1b[?7h")
    }
}

/// Prints a block once: on a terminal with its lines cut off at the edge, which keeps columns
/// readable.
///
/// # Errors
///
/// Those of writing to standard output.
pub(crate) fn print_once(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match size() {
        Some(Size { width, .. }) => {
            text.lines().try_for_each(|line| writeln!(out, "{}", fit_width(line, width)))?;
        }
        None => out.write_all(text.as_bytes())?,
    }
    out.flush()
}

/// The size of standard output; `None` if it is not a terminal.
fn size() -> Option<Size> {
    let (Width(width), Height(height)) = terminal_size_of(io::stdout())?;
    Some(Size { width: width.into(), height: height.into() })
}

/// Cuts off what does not fit into the width. The last column that is left shows that.
fn fit_width(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

/// Cuts off the lines that do not fit into the height, of which the last row is for the cursor:
/// lines that have scrolled away cannot be replaced.
fn fit_height(lines: impl Iterator<Item = String>, height: usize) -> Vec<String> {
    let mut lines: Vec<_> = lines.collect();
    let rows = height.saturating_sub(1).max(1);
    if lines.len() > rows {
        let hidden = lines.len() - (rows - 1);
        lines.truncate(rows - 1);
        lines.push(format!("… {hidden} more lines"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 10, height: 4 };

    #[test]
    fn a_frame_replaces_the_rows_of_the_last_one() {
        let mut frames = Frames::default();
        assert_eq!(frames.in_place("a\nb\n", SIZE), "\x1b[?7la\x1b[K\nb\x1b[K\n\x1b[J\x1b[?7h");
        let second = frames.in_place("c\n", SIZE);
        assert_eq!(second, "\x1b[?7l\x1b[2A\rc\x1b[K\n\x1b[J\x1b[?7h");
        assert!(frames.in_place("d\n", SIZE).contains("\x1b[1A\r"));
    }

    #[test]
    fn a_kept_frame_is_not_replaced() {
        let mut frames = Frames::default();
        frames.in_place("a\nb\n", SIZE);
        frames.keep_last();
        assert!(!frames.in_place("c\n", SIZE).contains('A'));
    }

    #[test]
    fn a_line_is_cut_off_at_the_edge() {
        assert_eq!(fit_width("0123456789", 10), "0123456789");
        assert_eq!(fit_width("0123456789a", 10), "012345678…");
        assert_eq!(fit_width("≈≈≈   7890a", 6), "≈≈≈…");
        assert_eq!(fit_width("abc", 0), "…");
    }

    #[test]
    fn lines_that_do_not_fit_are_counted() {
        let lines =
            |count: usize, height| fit_height((0..count).map(|line| line.to_string()), height);
        assert_eq!(lines(3, 4), ["0", "1", "2"]);
        assert_eq!(lines(4, 4), ["0", "1", "… 2 more lines"]);
        assert_eq!(lines(4, 0), ["… 4 more lines"]);
    }
}
