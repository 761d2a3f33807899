//! A page of an ordered run where some of what is asked for is no index's to tell: rows are looked at in the run's order and kept
//! or not. How many are looked at for one page is bounded; a page that ends for that reason says where to go on.

use std::future::Future;

use uuid::Uuid;

use crate::error::Result;
use crate::filter::Order;
use crate::find::{COUNTED, Page, PageOf};

/// Rows looked at for one page or count.
const MOST: u64 = 20_000;

/// Rows asked for at once.
const AT_ONCE: u64 = 2_000;

/// An ordered run of rows.
pub(crate) trait Run: Sync {
    type Row: Send;
    /// Where in the run a row stands.
    type Place: Clone + Send + Sync;

    fn id(row: &Self::Row) -> Uuid;

    fn place(row: &Self::Row) -> Self::Place;

    /// Where the row with this id stands; `None` when it is there no longer.
    fn find(&self, id: Uuid) -> impl Future<Output = Result<Option<Self::Place>>> + Send;

    /// The next `n` rows beyond `from`, or from the run's end.
    fn next(
        &self,
        from: Option<&Self::Place>,
        order: Order,
        n: u64,
    ) -> impl Future<Output = Result<Vec<Self::Row>>> + Send;

    /// Those of these rows that are meant, in their order.
    fn keep(&self, rows: Vec<Self::Row>) -> impl Future<Output = Result<Vec<Self::Row>>> + Send;
}

/// A page, and where looking ended before it was full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked<T> {
    pub page: PageOf<T>,
    /// The row that was looked at last, to go on from; `None` when the page is full or there is no more.
    pub stopped_at: Option<Uuid>,
}

/// A page of what is meant.
pub(crate) async fn page<R: Run>(run: &R, page: Page, order: Order) -> Result<Looked<R::Row>> {
    let (n, from, backwards) = match page {
        Page::First { n, after } => (n, after, false),
        Page::Last { n, before } => (n, before, true),
    };
    let walked = if backwards { order.reversed() } else { order };
    let mut place = match from {
        None => None,
        Some(id) => match run.find(id).await? {
            Some(place) => Some(place),
            None => {
                let page = PageOf { items: Vec::new(), has_previous: false, has_next: false };
                return Ok(Looked { page, stopped_at: None });
            }
        },
    };
    let (mut items, mut looked, mut stopped_at) = (Vec::new(), 0, None);
    // One more than asked for says whether there are more.
    let mut most = n + 1;
    while items.len() as u64 <= n {
        if looked >= MOST {
            break;
        }
        let rows = run.next(place.as_ref(), walked, most).await?;
        let full = rows.len() as u64 == most;
        looked += rows.len() as u64;
        if let Some(last) = rows.last() {
            place = Some(R::place(last));
            stopped_at = Some(R::id(last));
        }
        items.extend(run.keep(rows).await?);
        if !full {
            stopped_at = None;
            break;
        }
        most = (most * 4).min(AT_ONCE);
    }
    let more = items.len() as u64 > n;
    items.truncate(n as usize);
    let stopped_at = stopped_at.filter(|_| !more);
    let (more, passed) = (more || stopped_at.is_some(), from.is_some());
    if backwards {
        items.reverse();
    }
    let (has_previous, has_next) = if backwards { (more, passed) } else { (passed, more) };
    Ok(Looked { page: PageOf { items, has_previous, has_next }, stopped_at })
}

/// How many are meant, and whether there may be more: counting stops at [`COUNTED`], and looking as it does for a page.
pub(crate) async fn count<R: Run>(run: &R) -> Result<(u64, bool)> {
    let (mut counted, mut looked, mut place) = (0, 0, None);
    while counted <= COUNTED {
        if looked >= MOST {
            return Ok((counted, true));
        }
        let rows = run.next(place.as_ref(), Order::Ascending, AT_ONCE).await?;
        let full = rows.len() as u64 == AT_ONCE;
        looked += rows.len() as u64;
        place = rows.last().map(R::place);
        counted += run.keep(rows).await?.len() as u64;
        if !full {
            break;
        }
    }
    Ok((counted.min(COUNTED), counted > COUNTED))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    /// The numbers below the first that divide by the second.
    struct Numbers(u64, u64);

    impl Run for Numbers {
        type Row = u64;
        type Place = u64;

        fn id(row: &u64) -> Uuid {
            Uuid::from_u128(u128::from(*row))
        }

        fn place(row: &u64) -> u64 {
            *row
        }

        async fn find(&self, id: Uuid) -> Result<Option<u64>> {
            Ok(Some(id.as_u128() as u64).filter(|n| *n < self.0))
        }

        async fn next(&self, from: Option<&u64>, order: Order, n: u64) -> Result<Vec<u64>> {
            let n = n as usize;
            Ok(match order {
                Order::Ascending => (from.map_or(0, |n| n + 1)..self.0).take(n).collect(),
                Order::Descending => (0..from.copied().unwrap_or(self.0)).rev().take(n).collect(),
            })
        }

        async fn keep(&self, rows: Vec<u64>) -> Result<Vec<u64>> {
            Ok(rows.into_iter().filter(|n| n.is_multiple_of(self.1)).collect())
        }
    }

    fn id(n: u64) -> Option<Uuid> {
        Some(Uuid::from_u128(u128::from(n)))
    }

    #[tokio::test]
    async fn a_page_is_the_same_from_either_end() {
        let run = Numbers(1_000, 7);
        let asked = |page| page_of(&run, page);
        assert_eq!(asked(Page::First { n: 3, after: None }).await, (vec![0, 7, 14], false, true, None));
        assert_eq!(asked(Page::First { n: 3, after: id(14) }).await, (vec![21, 28, 35], true, true, None));
        assert_eq!(asked(Page::Last { n: 3, before: id(21) }).await, (vec![0, 7, 14], false, true, None));
        assert_eq!(asked(Page::Last { n: 2, before: None }).await, (vec![987, 994], true, false, None));
        assert_eq!(asked(Page::First { n: 3, after: id(987) }).await, (vec![994], true, false, None));
        assert_eq!(asked(Page::First { n: 3, after: id(5_000) }).await, (vec![], false, false, None));
        assert_eq!(count(&run).await.unwrap(), (143, false));
        assert_eq!(count(&Numbers(15_000, 1)).await.unwrap(), (COUNTED, true));
    }

    #[tokio::test]
    async fn looking_ends_somewhere_and_goes_on_from_there() {
        let run = Numbers(100_000, 90_000);
        let (items, _, more, stopped) = page_of(&run, Page::First { n: 5, after: None }).await;
        assert_eq!((items, more), (vec![0], true));
        let mut after = stopped;
        let mut found = Vec::new();
        for _ in 0..10 {
            let (items, _, more, stopped) = page_of(&run, Page::First { n: 5, after }).await;
            found.extend(items);
            after = stopped;
            if !more {
                break;
            }
        }
        assert_eq!((found, after), (vec![90_000], None));
        assert_eq!(count(&run).await.unwrap(), (1, true));
    }

    async fn page_of(run: &Numbers, asked: Page) -> (Vec<u64>, bool, bool, Option<Uuid>) {
        let Looked { page, stopped_at } = page(run, asked, Order::Ascending).await.unwrap();
        (page.items, page.has_previous, page.has_next, stopped_at)
    }
}
