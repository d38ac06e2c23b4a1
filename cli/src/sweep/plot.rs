//! Draws curves as text. A single curve is drawn in Braille dots, eight per character; of several
//! curves each is drawn with its own mark, since dots could not be distinguished.

use crate::output::text::{printable, short_number};

/// Maximum number of curves that can be distinguished; one per mark.
pub(super) const MOST_CURVES: usize = 6;

const MARKS: [char; MOST_CURVES] = ['*', 'o', '+', 'x', '#', '@'];

/// The height of the area of the curves, in lines.
const HEIGHT: usize = 15;

/// Minimum and maximum width of a plot, in characters.
const WIDTHS: (usize, usize) = (44, 160);

/// A curve: points connected by lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Curve {
    /// The name in the legend.
    pub(super) name: String,
    /// Points (x, y) in any order. Without y, the curve has a gap at x.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// Draws curves and returns the lines of the plot, at most `width` characters wide (clamped to
/// [`WIDTHS`]). No lines if there are no finite points. `x` and `y` label the axes.
pub(super) fn draw(curves: &[Curve], x: &str, y: &str, width: usize) -> Vec<String> {
    let finite = curves.iter().flat_map(|curve| &curve.points).filter(|(x, _)| x.is_finite());
    let points: Vec<_> =
        finite.filter_map(|&(x, y)| Some((x, y.filter(|y| y.is_finite())?))).collect();
    let (Some(xs), Some(ys)) =
        (Range::of(points.iter().map(|it| it.0)), Range::of(points.iter().map(|it| it.1)))
    else {
        return Vec::new();
    };
    let labels = [ys.high, ys.low / 2.0 + ys.high / 2.0, ys.low].map(label);
    let margin = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let width = width.clamp(WIDTHS.0, WIDTHS.1).saturating_sub(margin + 2);

    let mut canvas = Canvas::new(width, curves.len() == 1);
    for (curve, mark) in curves.iter().zip(MARKS) {
        canvas.curve(curve, xs, ys, mark);
    }
    let mut lines = vec![printable(y).into_owned()];
    for (row, line) in canvas.lines().enumerate() {
        let label = match row {
            0 => &labels[0],
            row if row == HEIGHT / 2 => &labels[1],
            row if row == HEIGHT - 1 => &labels[2],
            _ => "",
        };
        let axis = if label.is_empty() { '│' } else { '┤' };
        lines.push(format!("{label:>margin$} {axis}{line}").trim_end().to_owned());
    }
    lines.push(format!("{:margin$} └{}", "", "─".repeat(width)));
    lines.push(format!("{:margin$}  {}", "", foot(xs, &printable(x), width)));
    if curves.len() > 1 {
        let legend = curves.iter().zip(MARKS);
        lines.extend(legend.map(|(curve, mark)| format!("{mark} {}", printable(&curve.name))));
    }
    lines
}

/// The line below the horizontal axis: its ends and, between them, its name, truncated if too
/// long.
fn foot(xs: Range, name: &str, width: usize) -> String {
    let (low, high) = (label(xs.low), label(xs.high));
    let room = width.saturating_sub(low.len() + high.len() + 2);
    let name: String = name.chars().take(room).collect();
    format!("{low} {name:^room$} {high}")
}

/// Formats a number of an axis, in 13 characters at most.
fn label(x: f64) -> String {
    let short = short_number(x);
    match short.parse::<f64>() {
        Ok(x) if short.len() > 10 => format!("{x:e}"),
        _ => short,
    }
}

/// A range of numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// The smallest range with all numbers; `None` if there are none.
    fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let range = |(low, high): (f64, f64), x: f64| (low.min(x), high.max(x));
        let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), range);
        (low <= high).then_some(Self { low, high })
    }

    /// Scales a number of the range to 0..=`last`; the middle if the range is a single number.
    fn place(self, x: f64, last: usize) -> usize {
        // Halved, so that the difference of the ends does not overflow to infinity.
        let (height, whole) = (x / 2.0 - self.low / 2.0, self.high / 2.0 - self.low / 2.0);
        if whole > 0.0 { (height / whole * last as f64).round() as usize } else { last / 2 }
    }
}

/// The area of the curves: a grid of characters, from the top row.
struct Canvas {
    cells: Vec<Vec<char>>,
    braille: bool,
}

impl Canvas {
    fn new(width: usize, braille: bool) -> Self {
        Self { cells: vec![vec![' '; width]; HEIGHT], braille }
    }

    /// The numbers of dots across and down: 2 × 4 per character in Braille, otherwise 1 × 1.
    fn size(&self) -> (usize, usize) {
        let (across, down) = if self.braille { (2, 4) } else { (1, 1) };
        (self.cells[0].len() * across, HEIGHT * down)
    }

    /// Draws a curve through its finite points, in the order of x.
    fn curve(&mut self, curve: &Curve, xs: Range, ys: Range, mark: char) {
        let mut points: Vec<_> = curve.points.iter().filter(|(x, _)| x.is_finite()).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (width, height) = self.size();
        let mut before = None;
        for &&(x, y) in &points {
            let Some(y) = y.filter(|y| y.is_finite()) else {
                before = None;
                continue;
            };
            let dot = (xs.place(x, width - 1), height - 1 - ys.place(y, height - 1));
            self.line(before.unwrap_or(dot), dot, mark);
            before = Some(dot);
        }
    }

    /// Sets the dots of a straight line, both ends included.
    fn line(&mut self, from: (usize, usize), to: (usize, usize), mark: char) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            // Interpolates from `a` to `b`, rounded to the nearest dot.
            let between = |a: usize, b: usize| (a * (steps - step) + b * step + steps / 2) / steps;
            self.set(between(from.0, to.0), between(from.1, to.1), mark);
        }
    }

    fn set(&mut self, x: usize, y: usize, mark: char) {
        if !self.braille {
            self.cells[y][x] = mark;
            return;
        }
        /// The bits of the eight dots, column by column: a Braille pattern is U+2800 plus the
        /// bits of its dots.
        const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let cell = &mut self.cells[y / 4][x / 2];
        let before = u32::from(*cell).saturating_sub(0x2800) & 0xff;
        let set = if *cell == ' ' { 0 } else { before } | DOTS[x % 2][y % 4];
        *cell = char::from_u32(0x2800 + set).unwrap_or(mark);
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.cells.iter().map(|cells| cells.iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve(name: &str, points: &[(f64, f64)]) -> Curve {
        let points = points.iter().map(|&(x, y)| (x, Some(y))).collect();
        Curve { name: name.into(), points }
    }

    #[test]
    fn a_rising_line_is_drawn_from_corner_to_corner() {
        let lines = draw(&[curve("", &[(0.0, 0.0), (1.0, 100.0)])], "obj:x", "objective", 44);
        assert_eq!(lines[0], "objective");
        assert!(lines[1].starts_with("100 ┤ ") && lines[1].ends_with('⠊'), "{lines:#?}");
        assert!(lines[HEIGHT / 2 + 1].starts_with(" 50 ┤ "), "{lines:#?}");
        assert!(lines[HEIGHT].starts_with("  0 ┤⡠"), "{lines:#?}");
        assert_eq!(lines[HEIGHT + 1], format!("    └{}", "─".repeat(39)));
        assert_eq!(lines[HEIGHT + 2], format!("     0 {:^35} 1", "obj:x"));
        assert_eq!(lines.len(), HEIGHT + 3);
    }

    #[test]
    fn a_missing_point_leaves_a_gap() {
        let mut gap = curve("", &[(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]);
        gap.points[1].1 = None;
        let lines = draw(&[gap], "x", "y", 44);
        let flat: Vec<_> = lines[1 + HEIGHT / 2].chars().skip(3).collect();
        assert_eq!((flat[1], flat[5]), (' ', ' '), "{lines:#?}");
        assert!(flat[30..34].iter().all(|&c| c != ' '), "{lines:#?}");
    }

    #[test]
    fn several_curves_have_marks_and_a_legend() {
        let curves =
            [curve("a=1", &[(0.0, 0.0), (1.0, 1.0)]), curve("a=2", &[(0.0, 1.0), (1.0, 0.0)])];
        let lines = draw(&curves, "x", "y", 44);
        assert!(lines[1].ends_with('*') && lines[HEIGHT].ends_with('o'), "{lines:#?}");
        assert_eq!(lines[lines.len() - 2..], ["* a=1", "o a=2"]);
    }

    #[test]
    fn without_finite_points_there_is_no_plot() {
        let nowhere =
            Curve { points: vec![(1.0, None), (f64::INFINITY, Some(2.0))], ..Curve::default() };
        assert!(draw(&[nowhere], "x", "y", 80).is_empty());
        assert!(draw(&[], "x", "y", 80).is_empty());
    }

    proptest! {
        #[test]
        fn any_curves_fit_the_width(
            points in prop::collection::vec(
                (prop::num::f64::ANY, prop::option::of(prop::num::f64::ANY)), 0..30,
            ),
            count in 1..=MOST_CURVES,
            width in 0..300_usize,
        ) {
            let curves = vec![Curve { name: "n".into(), points }; count];
            let lines = draw(&curves, &"name ".repeat(99), "y", width);
            let most = width.clamp(WIDTHS.0, WIDTHS.1);
            for line in &lines {
                prop_assert!(line.chars().count() <= most, "{line:?} in {width}");
            }
            prop_assert!(lines.is_empty() || lines.len() >= HEIGHT + 3);
        }
    }
}
