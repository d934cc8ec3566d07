//! How well a dialect explains a sample of a file.

use super::dialect::Dialect;
use super::flaw::Flaw;
use super::tokens::{Scan, Scanned, Tokens};

/// A piece of a file that begins with a record.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// Whether the file ends with it.
    pub(super) last: bool,
}

/// A sample cut into records, and what that looks like.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) tokens: Tokens,
    /// Cells of the first record.
    pub(super) columns: usize,
    /// The commonest number of cells, and how many records have it.
    usual: (usize, usize),
    /// What is wrong with the record behind those found, if every quoted cell doesn't end with its closing
    /// quote.
    pub(super) flaw: Option<Flaw>,
    /// Where the next record begins.
    pub(super) rest: usize,
    /// Whether line breaks lie inside quotes, or so it seems.
    quoted_lines: bool,
    /// How cells that begin with a quote go on, in a trial in which quotes have no meaning.
    wrapped: Wrapped,
}

impl Trial {
    /// Cuts a sample as a dialect says.
    pub(super) fn new(dialect: Dialect, sample: &Sample) -> Self {
        let mut tokens = Tokens::default();
        let scan = Scan { stop: usize::MAX, most: usize::MAX, last: sample.last, line: 0, columns: None };
        let scanned = tokens.scan(dialect, &sample.bytes, scan);
        let mut counts: Vec<usize> = (0..tokens.len()).map(|record| tokens.cells(record)).collect();
        let columns = counts.first().copied().unwrap_or(0);
        counts.sort_unstable();
        let runs = counts.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()));
        let usual = runs.max_by_key(|(cells, records)| (*records, *cells)).unwrap_or((0, 0));

        let whole = (1..tokens.len()).any(|record| {
            let text = &sample.bytes[tokens.start(record - 1)..tokens.start(record)];
            let line = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
            let comment = |line: &&[u8]| line.first() == dialect.comment.as_ref() && !line.is_empty();
            let mut lines = text[line..].split(|byte| *byte == b'\n').filter(|line| !comment(line));
            lines.any(|line| !matches!(line, b"" | b"\r"))
        });
        let Scanned { bytes: rest, flaw, .. } = scanned;
        let unsure = if flaw.is_some() { 0 } else { rest };
        let quoted_lines = whole || sample.bytes[unsure..].contains(&b'\n');
        let wrapped = if dialect == dialect.unquoted() {
            Wrapped::of(&tokens, &sample.bytes)
        } else {
            Wrapped::default()
        };
        Trial { tokens, columns, usual, flaw, rest, quoted_lines, wrapped }
    }

    /// Whether the dialect may be right at all: it splits the first record, and most records alike.
    pub(super) fn splits(&self) -> bool {
        let alike = (0..self.tokens.len()).filter(|record| self.tokens.cells(*record) == self.columns);
        let most = alike.count().max(if self.usual.0 > 1 { self.usual.1 } else { 0 });
        self.columns > 1 && 2 * most >= self.tokens.len()
    }

    /// Whether it explains the sample better than another one: quotes first, then the share of
    /// records of the usual size, then that size.
    pub(super) fn beats(&self, other: &Trial) -> bool {
        let share = |trial: &Trial, of: &Trial| trial.usual.1 * of.tokens.len();
        let key = |trial: &Trial, of: &Trial| (trial.flaw.is_none(), share(trial, of), trial.usual.0);
        key(self, other) > key(other, self)
    }

    /// Whether every record has the same number of cells.
    pub(super) fn is_even(&self) -> bool {
        self.usual == (self.columns, self.tokens.len())
    }

    /// Whether the quotes of the sample are those of RFC 4180 rather than ordinary characters, given
    /// the same sample with quotes as such. Cells with line breaks tear lines apart when their quotes
    /// are overlooked; where all lines are whole all the same, there are no such cells. But where nearly all
    /// cells that begin with a quote are quoted as they should be, the others are mistakes.
    pub(super) fn is_quoted(&self, plain: &Trial) -> bool {
        let whole_lines = plain.is_even() && (plain.columns > 1 || self.flaw.is_some());
        let Wrapped { right, doubled, wrong } = plain.wrapped;
        // A text that is a quotation as a whole proves nothing, unless they all are; doubled quotes do.
        let are_mistakes = doubled > 10 * wrong || right > 10 * wrong && 2 * right >= plain.tokens.len();
        are_mistakes || !(whole_lines && (self.flaw.is_some() || self.quoted_lines))
    }
}

/// Cells that begin with a quote.
#[derive(Debug, Clone, Copy, Default)]
struct Wrapped {
    /// Those that RFC 4180 would have quoted so.
    right: usize,
    /// Of these, those with doubled quotes inside.
    doubled: usize,
    /// The others.
    wrong: usize,
}

impl Wrapped {
    fn of(tokens: &Tokens, bytes: &[u8]) -> Self {
        let mut counts = Wrapped::default();
        for record in 0..tokens.len() {
            for column in 0..tokens.cells(record) {
                let [b'"', rest @ ..] = &bytes[tokens.cell(record, column)] else { continue };
                let is_right = |inner: &&[u8]| {
                    let runs = inner.chunk_by(|a, b| (*a == b'"') == (*b == b'"'));
                    runs.filter(|run| run[0] == b'"').all(|run| run.len() % 2 == 0)
                };
                match rest.strip_suffix(b"\"").filter(is_right) {
                    Some(inner) => {
                        counts.right += 1;
                        counts.doubled += usize::from(inner.contains(&b'"'));
                    }
                    None => counts.wrong += 1,
                }
            }
        }
        counts
    }
}
