//! The screen: what a run says on standard error while it goes on. A bar on a terminal, a line every
//! few seconds elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::show;
use crate::features::Plan;
use crate::trainer::{Leader, Progress, Watch};

/// Columns of a plan that are shown before training.
const SHOWN_COLUMNS: usize = 60;
/// Time between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Progress and notes on standard error.
pub struct Screen {
    bar: Option<ProgressBar>,
    notes: bool,
    plan: bool,
    lines: bool,
    next_line: Instant,
    /// The leaders of a search, below the bar.
    leaders: String,
}

impl Screen {
    /// A screen, which says nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let lines = !quiet && bar.is_none();
        Screen {
            bar,
            notes: !quiet,
            plan: !quiet,
            lines,
            next_line: Instant::now() + EVERY,
            leaders: String::new(),
        }
    }

    /// A screen for commands that print their result at once.
    pub(super) fn notes_only() -> Self {
        let leaders = String::new();
        Screen { bar: None, notes: true, plan: false, lines: false, next_line: Instant::now(), leaders }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

/// Prints a line on standard error. That nobody reads it any more is no reason to end a run.
pub(super) fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

impl Watch for Screen {
    fn plan(&mut self, plan: &Plan, sample_rows: u64) {
        if self.plan {
            let text =
                format!("{}plan made from {} rows", show::plan(plan, SHOWN_COLUMNS), HumanCount(sample_rows));
            self.print(&text);
        }
    }

    fn note(&mut self, text: &str) {
        if self.notes {
            self.print(text);
        }
    }

    fn progress(&mut self, progress: Progress) {
        if let Some(bar) = &self.bar {
            bar.set_position((progress.share * 1000.0) as u64);
            bar.set_message(describe(&progress) + &self.leaders);
        } else if self.lines && Instant::now() >= self.next_line {
            self.next_line = Instant::now() + EVERY;
            say(&format!("{:3.0}%  {}", 100.0 * progress.share, describe(&progress)));
        }
    }

    fn tries(&mut self, tried: usize, of: usize) {
        let text = format!("trying configurations on the first rows: {tried} of {of}");
        if let Some(bar) = &self.bar {
            bar.set_message(text + &self.leaders);
        } else if self.lines && Instant::now() >= self.next_line {
            self.next_line = Instant::now() + EVERY;
            say(&text);
        }
    }

    fn leaders(&mut self, leaders: &[Leader]) {
        self.leaders = show::leaders(leaders);
    }
}

fn describe(progress: &Progress) -> String {
    let seconds = progress.elapsed.as_secs_f64().max(1e-3);
    let mut text = String::new();
    if progress.epoch.1 > 1 {
        text.push_str(&format!("epoch {}/{}  ", progress.epoch.0, progress.epoch.1));
    }
    text.push_str(&format!(
        "{} rows  {} rows/s  {:.1} MB/s",
        HumanCount(progress.rows),
        HumanCount(((progress.rows - progress.behind.0) as f64 / seconds) as u64),
        progress.bytes as f64 / seconds / 1e6
    ));
    let done = progress.share - progress.behind.1;
    if done > 0.01 && progress.share < 1.0 {
        let left = Duration::from_secs_f64(seconds * (1.0 - progress.share) / done);
        text.push_str(&format!("  {} left", HumanDuration(left)));
    }
    if let Some((overall, recent)) = progress.loss {
        text.push_str(&format!("  loss {recent:.4} (overall {overall:.4})"));
    }
    text
}
