//! Counts on their way into GraphQL's Int.

/// A count as an Int, which ends at 2³¹ − 1: there a count stays.
pub fn int(n: impl TryInto<i32>) -> i32 {
    n.try_into().unwrap_or(i32::MAX)
}
