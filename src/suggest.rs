//! Suggestions: what to say of a column that is not there.

use crate::error::Error;

/// Names that are listed at the most.
const MOST: usize = 30;

/// The error for a column that is not there: the name that may be meant, or else those that are there.
pub(crate) fn no_such_column<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
    let names: Vec<&str> = names.into_iter().collect();
    let error = Error::usage(format!("there is no column `{name}`"));
    let wanted = name.to_lowercase();
    let alike = names.iter().map(|n| (distance(&wanted, &n.to_lowercase()), n));
    // One slip in every three characters.
    let alike =
        alike.filter(|(slips, _)| 3 * slips <= name.chars().count() + 1).min_by_key(|(slips, _)| *slips);
    if let Some((_, alike)) = alike {
        return error.remedy(format!("did you mean `{alike}`?"));
    }
    let mut list = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        list.push_str(", ...");
    }
    error.remedy(format!("the columns are {list}"))
}

/// Characters to insert, delete, replace or swap with their neighbour to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // The last three rows of the table of distances between beginnings of the texts.
    let (mut before, mut last) = (Vec::new(), (0..=b.len()).collect::<Vec<_>>());
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_counted() {
        assert_eq!(distance("click", "click"), 0);
        assert_eq!(distance("click", "clikc"), 1);
        assert_eq!(distance("click", "lick"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_name_that_is_alike_is_suggested_and_else_all_are_listed() {
        let told = |name| no_such_column(name, ["user_id", "click", "y"]).to_string();
        assert_eq!(told("Clikc"), "there is no column `Clikc`; did you mean `click`?");
        assert_eq!(told("z"), "there is no column `z`; the columns are user_id, click, y");
    }
}
