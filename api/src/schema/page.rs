//! Lists page by page, as Relay's cursor connections have it: 25 at a time unless asked otherwise, 100 at most.

mod totals;

use std::borrow::Cow;

use async_graphql::{Context, Object, OutputType, SimpleObject, TypeName};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jobs::find::{Page, PageOf};
use jobs::look::Looked;
use uuid::Uuid;

use super::fault::Fault;
pub use totals::Totals;

/// Things on a page unless asked otherwise ..
pub const USUAL: i32 = 25;
/// .. and at most.
pub const MOST: i32 = 100;

/// The arguments of a list.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// At most so many from the beginning, or after `after`.
    pub first: Option<i32>,
    /// A cursor to go on after.
    pub after: Option<String>,
    /// At most so many from the end, or before `before`.
    pub last: Option<i32>,
    /// A cursor to go back from.
    pub before: Option<String>,
}

/// The lists there are, by the order they are in: a cursor of one leads nowhere in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum List {
    /// Emails by their ids, which is the order of their acceptance, from either end.
    Emails = 1,
    /// Delivery events by their numbers, from either end.
    DeliveryEvents = 2,
    /// Entries of the suppression list by their ids, which is the order they were first entered in.
    Suppressions = 3,
    /// The same by their targets.
    SuppressionsByTarget = 4,
    /// Leads by their ids.
    Leads = 5,
    /// Templates by their ids, which is the order they were made in.
    Templates = 6,
    /// Campaigns by their ids, which is the order they were created in.
    Campaigns = 7,
    /// Entries of the audit log by their ids, which is the order they were begun in.
    Audit = 8,
    /// What endpoints were told of, by the numbers of the events.
    EventDispatches = 12,
}

/// What the order of a list goes by, as a cursor has it.
pub trait Place: Sized {
    /// Its bytes.
    fn bytes(&self) -> Vec<u8>;
    /// The place that has these bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Place for Uuid {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok()
    }
}

impl Place for i64 {
    fn bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(i64::from_be_bytes).filter(|number| *number >= 0)
    }
}

/// What cursors begin with: were they to say something else one day, those of today would still be known for what they are.
const VERSION: u8 = 1;

impl List {
    /// The cursor of the thing at this place: it leads there whatever joins or leaves the list, the thing itself included.
    pub fn cursor(self, place: impl Place) -> String {
        URL_SAFE_NO_PAD.encode([&[VERSION, self as u8], &*place.bytes()].concat())
    }

    /// The place in a cursor; `None` when it is none of this list.
    pub fn read<P: Place>(self, cursor: &str) -> Option<P> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (list, place) = bytes.split_first_chunk::<2>()?;
        (*list == [VERSION, self as u8]).then(|| P::read(place)).flatten()
    }

    /// The place in the cursor that an argument holds.
    ///
    /// # Errors
    /// When it is none of this list, as the caller's mistake.
    pub fn place<P: Place>(self, argument: &str, cursor: &str) -> Result<P, Fault> {
        self.read(cursor).ok_or_else(|| Fault::bad_input(format!("{argument} is no cursor of this list")))
    }
}

impl Slice {
    /// The page of `list` they ask for.
    ///
    /// # Errors
    /// What goes with nothing, is too much or no cursor of this list, as the caller's mistake.
    pub fn page<P: Place>(&self, list: List) -> Result<Page<P>, Fault> {
        let cursor = |name: &str, text: &Option<String>| text.as_ref().map(|text| list.place(name, text)).transpose();
        match (self.first, self.last) {
            (Some(_), Some(_)) => Err(Fault::bad_input("first and last can't be asked for together")),
            (_, None) if self.before.is_some() => Err(Fault::bad_input("before goes with last")),
            (None, Some(_)) if self.after.is_some() => Err(Fault::bad_input("after goes with first")),
            (None, Some(last)) => Ok(Page::Last { n: number("last", last)?, before: cursor("before", &self.before)? }),
            (first, None) => {
                Ok(Page::First { n: number("first", first.unwrap_or(USUAL))?, after: cursor("after", &self.after)? })
            }
        }
    }
}

/// A number of things to show.
pub fn number(name: &str, n: i32) -> Result<u64, Fault> {
    match u64::try_from(n) {
        Ok(number) if n <= MOST => Ok(number),
        _ => Err(Fault::bad_input(format!("{name} must be between 0 and {MOST}"))),
    }
}

/// A part of a list.
pub struct Connection<N> {
    page: PageOf<Edge<N>>,
    /// Where the page begins ..
    start: Option<String>,
    /// .. and ends.
    end: Option<String>,
    totals: Totals,
}

/// A thing and its place in the list.
pub struct Edge<N> {
    cursor: String,
    node: N,
}

/// Where in the list a page stands.
#[derive(SimpleObject)]
pub struct PageInfo {
    /// There is more after the page.
    has_next_page: bool,
    /// There is more before the page.
    has_previous_page: bool,
    /// The cursor of the page's first thing.
    start_cursor: Option<String>,
    /// The cursor of the page's last thing.
    end_cursor: Option<String>,
}

impl<N> Connection<N> {
    /// A page of a list's things, each wrapped and with the place its cursor is made of.
    pub fn new<M, P: Place>(list: List, page: PageOf<M>, totals: Totals, wrap: impl Fn(M) -> (P, N)) -> Self {
        let PageOf { items, has_previous, has_next } = page;
        let edge = |item| {
            let (place, node) = wrap(item);
            Edge::new(list, place, node)
        };
        let items: Vec<Edge<N>> = items.into_iter().map(edge).collect();
        let cursor = |edge: &Edge<N>| edge.cursor.clone();
        let (start, end) = (items.first().map(cursor), items.last().map(cursor));
        Self { page: PageOf { items, has_previous, has_next }, start, end, totals }
    }

    /// The same of a page for which one had to look: where looking ended before it was full, there it ends.
    pub fn looked<M>(list: List, asked: Page, found: Looked<M>, totals: Totals, wrap: impl Fn(M) -> (Uuid, N)) -> Self {
        let stopped_at = found.stopped_at.map(|id| list.cursor(id));
        let new = Self::new(list, found.page, totals, wrap);
        match asked {
            Page::First { .. } => Self { end: stopped_at.or(new.end), ..new },
            Page::Last { .. } => Self { start: stopped_at.or(new.start), ..new },
        }
    }
}

impl<N> Edge<N> {
    /// The thing at this place of a list.
    pub fn new(list: List, place: impl Place, node: N) -> Self {
        Self { cursor: list.cursor(place), node }
    }
}

impl<N: OutputType> TypeName for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

impl<N: OutputType> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

/// A page of a list.
#[Object(name_type)]
impl<N: OutputType> Connection<N> {
    /// The page's things with their cursors.
    async fn edges(&self) -> &[Edge<N>] {
        &self.page.items
    }

    /// The page's things alone.
    async fn nodes(&self) -> Vec<&N> {
        self.page.items.iter().map(|edge| &edge.node).collect()
    }

    /// Where in the list the page stands.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.page.has_next,
            has_previous_page: self.page.has_previous,
            start_cursor: self.start.clone(),
            end_cursor: self.end.clone(),
        }
    }

    /// How many there are in all, as far as one counts: `totalCountIsCapped` says whether there may be more. Exact where tallies
    /// are kept of what is asked for, else up to 10,000 or as far as one looks.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32, Fault> {
        self.totals.number(ctx).await
    }

    /// There may be more than `totalCount` says.
    async fn total_count_is_capped(&self, ctx: &Context<'_>) -> Result<bool, Fault> {
        self.totals.are_capped(ctx).await
    }
}

/// A thing and its place in the list.
#[Object(name_type)]
impl<N: OutputType> Edge<N> {
    /// Its place, to go on from: it stays good whatever joins or leaves the list.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The thing.
    async fn node(&self) -> &N {
        &self.node
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn slice(first: Option<i32>, after: Option<&str>, last: Option<i32>, before: Option<&str>) -> Slice {
        Slice { first, after: after.map(Into::into), last, before: before.map(Into::into) }
    }

    #[test]
    fn a_cursor_leads_back_to_its_id() {
        let id = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0007);
        let page = slice(None, Some(&List::Emails.cursor(id)), None, None).page(List::Emails).unwrap();
        assert_eq!(page, Page::First { n: 25, after: Some(id) });
        let page = slice(None, None, Some(3), Some(&List::Emails.cursor(id))).page(List::Emails).unwrap();
        assert_eq!(page, Page::Last { n: 3, before: Some(id) });
    }

    #[test]
    fn a_cursor_leads_nowhere_in_another_list_or_spelled_otherwise() {
        let id = Uuid::from_u128(7);
        let cursor = List::Emails.cursor(id);
        assert_eq!((List::Emails.read(&cursor), cursor.len()), (Some(id), 24));
        let bytes = |place: [u8; 2]| URL_SAFE_NO_PAD.encode([&place[..], id.as_bytes()].concat());
        let others = [
            bytes([VERSION, 0]),
            bytes([VERSION, 2]),
            bytes([VERSION + 1, 1]),
            URL_SAFE_NO_PAD.encode(id.as_bytes()),
            format!("{cursor}="),
            format!("{cursor}AAAA"),
            cursor[..23].to_owned(),
            format!(" {cursor}"),
            String::new(),
            "é".to_owned(),
        ];
        for other in others {
            assert_eq!(List::Emails.read::<Uuid>(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_number_is_a_place_as_well() {
        let cursor = List::DeliveryEvents.cursor(7_i64);
        assert_eq!(List::DeliveryEvents.read(&cursor), Some(7_i64));
        assert_eq!(List::DeliveryEvents.read::<i64>(&List::DeliveryEvents.cursor(-1_i64)), None);
        assert_eq!(List::Emails.read::<Uuid>(&cursor), None);
        assert_eq!(List::DeliveryEvents.read::<i64>(&List::Emails.cursor(Uuid::nil())), None);
    }

    #[test]
    fn what_no_page_can_be_is_refused_by_name() {
        let good = List::Emails.cursor(Uuid::nil());
        let cases = [
            (slice(Some(-1), None, None, None), "first must be between 0 and 100"),
            (slice(Some(101), None, None, None), "first must be between 0 and 100"),
            (slice(None, None, Some(101), None), "last must be between 0 and 100"),
            (slice(Some(1), None, Some(1), None), "first and last can't be asked for together"),
            (slice(Some(1), None, None, Some(&good)), "before goes with last"),
            (slice(None, None, None, Some(&good)), "before goes with last"),
            (slice(None, Some(&good), Some(1), None), "after goes with first"),
            (slice(None, Some("x"), None, None), "after is no cursor of this list"),
            (slice(None, None, Some(1), Some("AAAA")), "before is no cursor of this list"),
        ];
        for (slice, expected) in cases {
            assert_eq!(slice.page::<Uuid>(List::Emails).unwrap_err().to_string(), expected);
        }
    }
}
