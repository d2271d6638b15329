//! What is said of several values of the same thing.

/// The middle of several values, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Spread {
    /// Nothing where there are no values.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        Some(Spread { median: middle(&sorted)?, least, greatest })
    }

    /// Of the same rounds of two systems, how many times the second one's value the first one's is. A disturbance that
    /// lasts longer than a run hits both of a round.
    pub fn of_ratios(values: &[f64], others: &[f64]) -> Option<Spread> {
        let ratios: Vec<f64> = values.iter().zip(others).map(|(value, other)| value / other).collect();
        Spread::of(&ratios)
    }
}

fn middle(sorted: &[f64]) -> Option<f64> {
    let (upper, lower) = (sorted.get(sorted.len() / 2)?, sorted.get(sorted.len().saturating_sub(1) / 2)?);
    Some((upper + lower) / 2.0)
}

/// The smallest of `sorted` values that at least this share of all does not exceed. Nothing where there are none.
pub fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, greatest: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0]).map(|spread| spread.median), Some(2.5));
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let ratios = Spread::of_ratios(&[10.0, 40.0, 6.0], &[5.0, 10.0, 2.0]);
        assert_eq!(ratios, Some(Spread { median: 3.0, least: 2.0, greatest: 4.0 }));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), Some(500.0));
        assert_eq!(percentile(&values, 0.99), Some(990.0));
        assert_eq!(percentile(&values, 0.999), Some(999.0));
        assert_eq!(percentile(&values[..1], 0.999), Some(1.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
