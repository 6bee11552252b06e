//! What somebody meant who wrote a name wrongly.

/// The name with the fewest letters to change, insert, take away or swap; none if nothing is near.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// A longer word is no slip of the pen.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word: Vec<char> = word.chars().collect();
    let names = names.into_iter();
    let near = names.map(|name| (distance(&word, &name.chars().collect::<Vec<_>>()), name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.len() / 3).max(1)).then_some(name)
}

/// Optimal string alignment.
fn distance(left: &[char], right: &[char]) -> usize {
    let (mut before, mut last) = (Vec::new(), (0..=right.len()).collect::<Vec<_>>());
    for (row, a) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let change = last[column] + usize::from(a != b);
            let mut best = change.min(last[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b {
                let before: &Vec<usize> = &before;
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut last, line);
    }
    last[right.len()]
}
