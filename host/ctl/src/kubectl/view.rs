//! Rows as a table, or as JSON.

use std::io;

use serde::Serialize;

use crate::cli::View;
use crate::output::Output;
use crate::table::Table;

/// Shows the first `NARROW` columns, with `--output wide` all.
pub(super) fn table<const NARROW: usize, const WIDE: usize>(
    headings: [&str; WIDE],
    rows: impl IntoIterator<Item = [String; WIDE]>,
    view: Option<View>,
    out: &mut Output,
) -> io::Result<()> {
    let rows = rows.into_iter().map(|row| row.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }));
    if view == Some(View::Wide) {
        let mut table = Table::new(headings);
        rows.for_each(|row| table.row(row));
        return out.table(&table);
    }
    let mut table = Table::<NARROW>::new(std::array::from_fn(|column| headings[column]));
    rows.for_each(|row| table.row(std::array::from_fn(|column| row[column].clone())));
    out.table(&table)
}

/// The answer as JSON, if that is wanted.
pub(super) fn json(answer: &impl Serialize, view: Option<View>, out: &mut Output) -> io::Result<bool> {
    if view != Some(View::Json) {
        return Ok(false);
    }
    out.json(answer)?;
    Ok(true)
}
