//! Text in columns, for people.

use std::fmt;

use gingham_untrusted::text;

/// Rows of cells under a heading; each column is as wide as its widest cell.
pub(crate) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// With its heading.
    pub(crate) fn new(heading: [&str; COLUMNS]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        // Escaped here, so that the columns are as wide as what is shown.
        self.rows.push(cells.map(|cell| shortened(&text::line(&cell))));
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for row in &self.rows {
            let padded: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", padded.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Nothing that Kubernetes or a policy knows has a longer name; a wider column than 65,535 cannot be formatted.
const WIDEST: usize = 256;

fn shortened(cell: &str) -> String {
    match cell.char_indices().nth(WIDEST) {
        None => cell.to_owned(),
        Some((end, _)) => format!("{}…", &cell[..end]),
    }
}

/// Shortens a long identity to its first twelve characters, as container tools do.
pub(crate) fn short(identity: &str) -> String {
    match identity.char_indices().nth(24) {
        None => identity.to_owned(),
        Some(_) => identity.chars().take(12).collect(),
    }
}

/// How many addresses, for people: nobody reads twenty digits.
pub(crate) fn count(addresses: u64) -> String {
    match addresses {
        u64::MAX => "2^64 or more".to_owned(),
        1_000_000_000_000.. => format!("about 2^{}", (u128::from(addresses) * 3 / 2).ilog2()),
        addresses => addresses.to_string(),
    }
}

/// Bytes, for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_text() {
        let mut table = Table::new(["NAME", "SIZE"]);
        table.row(["a-long-name".to_owned(), String::new()]);
        table.row(["b".to_owned(), "1 kB".to_owned()]);
        assert_eq!(table.to_string(), "NAME         SIZE\na-long-name\nb            1 kB\n");
    }

    /// Wider than what can be formatted.
    #[test]
    fn an_endless_cell_is_cut() {
        let mut table = Table::new(["NAME", "SIZE"]);
        table.row(["a".repeat(70_000), "1 kB".to_owned()]);
        let cut = format!("{}…", "a".repeat(256));
        assert_eq!(table.to_string(), format!("NAME{:253}  SIZE\n{cut}  1 kB\n", ""));
    }

    #[test]
    fn only_long_identities_are_shortened() {
        assert_eq!(short("try-1"), "try-1");
        assert_eq!(short(&"a1b2c3d4e5f6".repeat(5)), "a1b2c3d4e5f6");
    }

    #[test]
    fn huge_counts_are_powers_of_two() {
        let counted = [count(0), count(65_533), count((1 << 44) - 3), count((1 << 63) + 5), count(u64::MAX)];
        assert_eq!(counted, ["0", "65533", "about 2^44", "about 2^63", "2^64 or more"]);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([size(999), size(38_001), size(12_345_678)], ["999 B", "39 kB", "12.3 MB"]);
    }
}
