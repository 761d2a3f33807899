//! What a list costs when a document's complexity is measured: its fields, once for each thing that the page may hold. Every
//! number comes from outside, so it is clamped before it is multiplied.

use super::page;

/// More than any document is allowed, and far from an overflow when such costs are added up.
const MOST: usize = u32::MAX as usize;

/// Of a connection, by its `first` and `last`.
pub fn page(first: Option<i32>, last: Option<i32>, of_each: usize) -> usize {
    let asked = first.max(last).unwrap_or(page::USUAL).clamp(1, page::MOST);
    list(usize::try_from(asked).unwrap_or(1), of_each)
}

/// Of a list of so many things.
pub fn list(n: usize, of_each: usize) -> usize {
    n.saturating_mul(of_each).saturating_add(1).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_costs_its_fields_as_often_as_it_has_things() {
        let cases = [
            (None, None, 4, 101),
            (Some(10), None, 4, 41),
            (None, Some(100), 4, 401),
            (Some(1), Some(50), 4, 201),
            (Some(-1), None, 4, 5),
            (Some(i32::MAX), None, 4, 401),
            (Some(i32::MIN), Some(i32::MIN), 4, 5),
            (Some(100), None, usize::MAX, MOST),
        ];
        for (first, last, of_each, cost) in cases {
            assert_eq!(page(first, last, of_each), cost, "{first:?} {last:?} {of_each}");
        }
    }
}
