//! Agreeing with a plan: a model goes on with the plan that it has, so what a user wishes of the plan must be
//! what it is. Else the wish would be passed over without a word.

use super::decide::Wishes;
use super::overrides::{Clip, ColumnUse, Overrides};
use super::plan::{Plan, PlannedColumn, Use};
use super::scale::{Form, Scale};
use super::target::{OffsetKind, Target};
use crate::error::{Error, Result};
use crate::learn::Loss;

/// What a wish is that a model does not fulfil, and what the model has instead.
fn differs(wish: impl std::fmt::Display, instead: impl std::fmt::Display) -> Error {
    Error::usage(format!("{wish} does not fit the model to start from: {instead}"))
        .remedy("leave it out, or train anew without --init")
}

impl Plan {
    /// Refuses wishes that this plan, made for `loss`, does not fulfil, as far as it tells: of how many bins were
    /// asked for, and of copies that were kept, it says nothing.
    ///
    /// # Errors
    /// On the first such wish.
    pub(crate) fn agree(&self, loss: Loss, wishes: &Wishes) -> Result<()> {
        if wishes.target != self.target.column() {
            let message = format!(
                "the model to start from predicts `{}`, not `{}`",
                self.target.column(),
                wishes.target
            );
            return Err(Error::usage(message).remedy("name its target, or train anew without --init"));
        }
        if let Some(choice) = wishes.loss.filter(|choice| !choice.may_be(loss)) {
            let same = choice.name() == loss.name();
            let other = if same { " with another parameter" } else { "" };
            return Err(differs(
                format!("--loss {}", choice.name()),
                format!("its loss is {}{other}", loss.name()),
            ));
        }
        if let Some(wish) = &wishes.positive {
            let option = format!("--positive {wish}");
            match &self.target {
                Target::Binary { positive, .. } if is_class(wish, positive) => {}
                Target::Binary { positive, .. } => {
                    return Err(differs(option, format!("its positive class is {positive}")));
                }
                _ => return Err(differs(option, "it has no positive class")),
            }
        }
        if wishes.weight.is_some() && wishes.weight != self.weight {
            return Err(differs("--weight", said(self.weight.as_deref(), "weights")));
        }
        if let Some(offset) = &wishes.offset
            && wishes.offset != self.offset
        {
            let option = if offset.kind == OffsetKind::Margin { "--offset" } else { "--exposure" };
            let own = self.offset.as_ref();
            let word = own.map_or(offset.kind, |own| own.kind).word();
            return Err(differs(option, said(own.map(|own| own.column.as_str()), &format!("{word}s"))));
        }
        let scaled = |column: &&PlannedColumn| {
            // What is asked of a column by name comes before what is asked of all.
            matches!(column.used, Use::Number { .. })
                && !is_use(ColumnUse::Raw, &column.used)
                && !wishes.overrides.columns.contains_key(&column.name)
        };
        if !wishes.scale
            && let Some(column) = self.columns.iter().find(scaled)
        {
            return Err(differs("--scale none", format!("it scales `{}`", column.name)));
        }
        self.agree_on_columns(&wishes.overrides)
    }

    fn agree_on_columns(&self, overrides: &Overrides) -> Result<()> {
        let column = |name: &str| self.columns.iter().find(|column| column.name == name);
        for (name, &word) in &overrides.columns {
            let (fits, instead) = match column(name) {
                Some(column) => (is_use(word, &column.used), column.used.word()),
                None => (word == ColumnUse::Ignore, "not known"),
            };
            if !fits {
                return Err(differs(format!("the use of column `{name}`"), format!("there it is {instead}")));
            }
        }
        for cross in &overrides.crosses {
            let name = cross.name();
            if !column(&name).is_some_and(|column| matches!(column.used, Use::Cross { .. })) {
                return Err(differs(format!("--cross {name}"), "it has no such cross"));
            }
        }
        for column in &self.columns {
            match column.used {
                Use::Text { ngrams, .. } if overrides.ngrams.is_some_and(|wish| wish != ngrams) => {
                    let instead = format!("its words of `{}` are runs of up to {ngrams}", column.name);
                    return Err(differs("--ngrams", instead));
                }
                Use::Number { scale: Scale { limits: Some(_), .. }, .. } if overrides.clip == Clip::None => {
                    return Err(differs("--clip none", format!("it clips `{}`", column.name)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Of 1 and 1.0 either names the class.
fn is_class(wish: &str, class: &str) -> bool {
    let number = wish.parse::<f64>().ok();
    wish == class || number.is_some() && class.parse().ok() == number
}

fn said(column: Option<&str>, what: &str) -> String {
    match column {
        Some(column) => format!("its {what} are in `{column}`"),
        None => format!("it was trained without {what}"),
    }
}

/// Whether a word asks for such a use.
fn is_use(word: ColumnUse, used: &Use) -> bool {
    let form = match used {
        Use::Number { scale, .. } => Some(scale.form),
        _ => None,
    };
    match word {
        ColumnUse::Numeric => form.is_some(),
        // A number that never changed stays as it is.
        ColumnUse::Standard => matches!(form, Some(Form::Standard { .. } | Form::None { .. })),
        ColumnUse::Log => matches!(form, Some(Form::SignedLog { .. } | Form::None { .. })),
        ColumnUse::Raw => matches!(form, Some(Form::None { .. })) || matches!(used, Use::Map { .. }),
        ColumnUse::Categorical => matches!(used, Use::Category { .. } | Use::List { .. }),
        ColumnUse::Bins => matches!(used, Use::Bins { .. }),
        ColumnUse::Text => matches!(used, Use::Text { .. }),
        ColumnUse::Ignore => matches!(used, Use::Ignore),
    }
}
