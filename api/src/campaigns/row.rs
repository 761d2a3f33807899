//! What the columns of a row mean.

use csv::StringRecord;
use jobs::campaign::recipients::NewRecipient;
use serde_json::{Map, Value};

use crate::schema;

/// Where in a file's rows what stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    address: usize,
    name: Option<usize>,
    lead: Option<usize>,
    variables: Vec<(usize, String)>,
    left_out: Vec<String>,
}

impl Columns {
    /// By the header.
    ///
    /// # Errors
    /// What is missing or stands there twice, in words.
    pub fn read(header: &StringRecord) -> Result<Self, String> {
        // The mark that some programs begin a file with.
        let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}').trim()).collect();
        let at =
            |meant: &[&str]| names.iter().position(|name| meant.iter().any(|word| word.eq_ignore_ascii_case(name)));
        let address = at(&["address", "email"]).ok_or("the file has no column `address`")?;
        let (name, lead) = (at(&["name"]), at(&["lead_id"]));
        let (mut variables, mut left_out): (Vec<(usize, String)>, Vec<String>) = (Vec::new(), Vec::new());
        for (i, column) in names.iter().enumerate().filter(|(i, _)| ![Some(address), name, lead].contains(&Some(*i))) {
            if !is_variable(column) {
                left_out.push((*column).to_owned());
            } else if variables.iter().any(|(_, known)| known == column) {
                return Err(format!("the file has the column {column:?} twice"));
            } else {
                variables.push((i, (*column).to_owned()));
            }
        }
        Ok(Self { address, name, lead, variables, left_out })
    }

    /// Columns that can be no variable.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.left_out.iter().map(String::as_str)
    }

    /// The recipient that a row stands for, nothing checked but its lead. An empty cell is the empty text.
    ///
    /// # Errors
    /// What is wrong with the lead, in words.
    pub fn recipient(&self, row: &StringRecord) -> Result<NewRecipient, String> {
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let lead = match self.lead.map(cell) {
            None | Some("") => None,
            Some(text) => Some(schema::lead_id(text).ok_or_else(|| format!("lead_id {text:?} is no lead's id"))?),
        };
        let variable = |(at, name): &(usize, String)| (name.clone(), Value::from(cell(*at)));
        let variables: Map<String, Value> = self.variables.iter().map(variable).collect();
        Ok(NewRecipient {
            address: cell(self.address).to_owned(),
            name: self.name.map(|at| cell(at).to_owned()),
            lead,
            variables: Some(Value::Object(variables)).filter(|_| !self.variables.is_empty()),
        })
    }
}

/// What a template can call by its name.
fn is_variable(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use serde_json::json;

    use super::*;

    fn record(cells: &str) -> StringRecord {
        cells.split(',').collect::<Vec<_>>().into()
    }

    #[test]
    fn each_column_has_a_meaning_or_is_named() {
        let columns = |header: &str| {
            Columns::read(&record(header)).map(|columns| {
                let variables: Vec<_> = columns.variables.iter().map(|(_, name)| name.as_str()).collect();
                (columns.address, columns.name, columns.lead, variables.join(" "), columns.left_out.join("|"))
            })
        };
        let found = |address, name, lead, variables: &str, out: &str| {
            Ok((address, name, lead, variables.to_owned(), out.to_owned()))
        };
        let cases = [
            ("address", found(0, None, None, "", "")),
            ("\u{feff}Email,Name,Lead_ID,city", found(0, Some(1), Some(2), "city", "")),
            ("first_name,email,First Name,,2nd", found(1, None, None, "first_name", "First Name||2nd")),
            ("address,email", found(0, None, None, "email", "")),
            ("name,city", Err("the file has no column `address`".to_owned())),
            ("email,city,city", Err("the file has the column \"city\" twice".to_owned())),
        ];
        for (header, expected) in cases {
            assert_eq!(columns(header), expected, "{header}");
        }
    }

    #[test]
    fn a_row_is_a_recipient_with_its_variables_as_texts() {
        let columns = Columns::read(&record("email,name,lead_id,city,age")).unwrap();
        let id = "01980000-0000-7000-8000-000000000007";
        let read = |row: &str| columns.recipient(&record(row));
        let ann = read(&format!("ann@example.com,Ann,{id},Ulm,41")).unwrap();
        assert_eq!((ann.address.as_str(), ann.name.as_deref()), ("ann@example.com", Some("Ann")));
        assert_eq!((ann.lead, ann.variables), (id.parse().ok(), Some(json!({ "city": "Ulm", "age": "41" }))));
        assert_eq!(read(&format!("ann@example.com,,lead:{id},,")).unwrap().lead, id.parse().ok());
        let short = read("bob@example.com").unwrap();
        assert_eq!((short.lead, short.variables), (None, Some(json!({ "city": "", "age": "" }))));
        assert_eq!(read("ann@example.com,,17,,").unwrap_err(), "lead_id \"17\" is no lead's id");
    }
}
