//! Arguments of `search`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::FitArgs;
use super::cv::DivideArgs;
use super::headings::{EVALUATION, OUTPUT, SEARCH};
use super::space::{load, once_each, parse_list, parse_range};
use crate::error::{Error, Result};
use crate::trainer::{Ablation, Axis, Method, Score, SearchConfig};

/// `millstream search`
#[derive(Debug, Args)]
pub struct SearchArgs {
    #[command(flatten)]
    pub(super) fit: FitArgs,
    #[command(flatten)]
    space: SpaceArgs,
    /// Let all configurations learn from all rows, instead of dropping the worse half again and again.
    #[arg(long, help_heading = SEARCH)]
    full: bool,
    /// Configurations that learn side by side, at the most: each takes the memory of a model.
    #[arg(long, help_heading = SEARCH, value_name = "N", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    places: u16,
    /// Measure what columns are worth, by models that do without each of them, or without each of some
    /// groups of columns.
    #[arg(long, help_heading = EVALUATION, value_name = "COLUMN+COLUMN,...", num_args = 0..=1, require_equals = true,
        default_missing_value = "", conflicts_with = "folds", allow_hyphen_values = true)]
    ablate: Option<String>,
    /// What configurations are compared by [default: the loss; the absolute error where losses differ].
    #[arg(long, help_heading = EVALUATION, value_enum)]
    score: Option<ScoreArg>,
    /// Score configurations by the rows that so many models of each leave out, one fold each.
    #[arg(long, help_heading = EVALUATION, value_parser = clap::value_parser!(u32).range(2..=100))]
    folds: Option<u32>,
    #[command(flatten)]
    divide: DivideArgs,
    /// Where the best configuration's model goes [default: there is none].
    #[arg(short = 'o', long = "model", help_heading = OUTPUT, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Train the best configuration anew, with as many --epochs as are asked for.
    #[arg(long, help_heading = OUTPUT)]
    refit: bool,
    /// A table of all configurations with their losses over the rows they saw: .parquet, .csv, .json, ...
    #[arg(long, help_heading = OUTPUT, value_name = "FILE")]
    table: Option<PathBuf>,
}

/// What varies, and how it is looked through.
#[derive(Debug, Args)]
#[command(next_help_heading = SEARCH)]
struct SpaceArgs {
    /// Values of a parameter: learning-rate, l1, l2, optimizer, momentum, power-t, huber-delta, quantile,
    /// epsilon or class-weight. Every combination is tried [default: learning rates and strengths of L2
    /// that suit the optimiser].
    #[arg(long, value_name = "PARAMETER=A,B,...", value_parser = parse_list)]
    grid: Vec<Axis>,
    /// A range of a parameter, for --random and --bayes, on a scale that is log or linear [default: log where it
    /// spans a power of ten].
    #[arg(long, value_name = "PARAMETER=LOW..HIGH[,SCALE]", value_parser = parse_range)]
    range: Vec<Axis>,
    /// A file of lists and ranges, such as `l2 = [0, 1e-6]` and
    /// `learning-rate = { low = 0.01, high = 1, scale = "log" }`.
    #[arg(long, value_name = "FILE.toml")]
    space: Option<PathBuf>,
    /// Try N configurations by chance.
    #[arg(long, value_name = "N", conflicts_with = "bayes", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    random: Option<u32>,
    /// Try N configurations, the later ones where the earlier ones suggest it (Bayesian search).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bayes: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScoreArg {
    /// The loss that is minimised.
    Loss,
    /// The absolute error.
    Absolute,
    /// Half of the squared error.
    Squared,
    /// The loss, with all classes counting alike.
    Balanced,
}

impl SpaceArgs {
    fn validate(self) -> Result<(Vec<Axis>, Method)> {
        let mut axes = self.space.as_deref().map(load).transpose()?.unwrap_or_default();
        axes.extend(self.grid);
        axes.extend(self.range);
        for (i, axis) in axes.iter().enumerate() {
            if axes[..i].iter().any(|other| other.parameter == axis.parameter) {
                let message = format!("{} is named twice", axis.parameter.name());
                return Err(Error::usage(message).remedy("give all of its values at once"));
            }
        }
        let method = match (self.random, self.bayes) {
            (Some(count), _) => Method::Random(count as usize),
            (None, Some(count)) => Method::Bayes(count as usize),
            (None, None) => Method::Grid,
        };
        Ok((axes, method))
    }
}

impl SearchArgs {
    pub(super) fn validate(self) -> Result<SearchConfig> {
        let (axes, method) = self.space.validate()?;
        for axis in &axes {
            if self.fit.fixes(axis.parameter) {
                let message = format!("--{} is fixed, and to be searched", axis.parameter.name());
                return Err(Error::usage(message).remedy("leave out one of them"));
            }
        }
        if self.divide.says() && self.folds.is_none() {
            let message = "--group-by and --time say how rows are divided into folds";
            return Err(Error::usage(message).remedy("give --folds, too"));
        }
        let outputs = [self.model.as_ref(), self.table.as_ref(), self.fit.summary.as_ref()];
        for (i, output) in outputs.iter().enumerate() {
            if output.is_some() && outputs[..i].contains(output) {
                return Err(Error::usage("two outputs would go to the same file").remedy("name another one"));
            }
        }
        let by = self.divide.validate();
        let ablate = self.ablate.map(|text| match text.as_str() {
            "" => Ablation::Each,
            text => {
                let group = |group: &str| once_each(group.split('+').map(|name| name.trim().to_string()));
                Ablation::Groups(once_each(text.split(',').map(group)))
            }
        });
        let score = self.score.map(|score| match score {
            ScoreArg::Loss => Score::Loss,
            ScoreArg::Absolute => Score::Absolute,
            ScoreArg::Squared => Score::Squared,
            ScoreArg::Balanced => Score::Balanced,
        });
        Ok(SearchConfig {
            train: self.fit.validate(self.model, self.table.as_deref())?,
            axes,
            method,
            full: self.full,
            places: usize::from(self.places),
            folds: self.folds.map(|folds| (folds, by)),
            ablate,
            score,
            refit: self.refit,
            table: self.table,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::atomic::AtomicBool;

    use clap::Parser;

    use super::super::Command;
    use crate::random::Random;
    use crate::trainer::{self, Leader, Watch};

    /// Notes how many configurations were tried whenever that was told, and how often it heard of leaders meanwhile.
    #[derive(Default)]
    struct Recorder {
        tries: Vec<(usize, usize)>,
        leaders: usize,
    }

    impl Watch for Recorder {
        fn tries(&mut self, tried: usize, of: usize) {
            self.tries.push((tried, of));
        }

        fn leaders(&mut self, leaders: &[Leader]) {
            assert!(!leaders.is_empty());
            self.leaders += 1;
        }
    }

    #[test]
    fn a_watcher_hears_of_configurations_while_they_are_tried() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut random) = (folder.path().join("a.csv"), Random::new(1, 2));
        let mut text = "x,y\n".to_string();
        (0..20_000).for_each(|_| writeln!(text, "{},{}", random.below(1000), random.below(2)).unwrap());
        std::fs::write(&path, text).unwrap();
        let command = format!("millstream search {} --target y --places 4 --threads 1", path.display());
        let command =
            command.split(' ').chain(["--grid", "learning-rate=0.01,0.02,0.03,0.1,0.2,0.3,0.5,1,2"]);
        let Command::Search(args) = Command::parse_from(command) else { panic!() };
        let mut recorder = Recorder::default();
        trainer::search(&args.validate().unwrap(), &AtomicBool::new(false), &mut recorder).unwrap();
        let Recorder { mut tries, leaders } = recorder;
        assert!(leaders > 3, "{leaders}");
        tries.dedup();
        assert_eq!(tries, [(4, 9), (8, 9), (9, 9)]);
    }
}
