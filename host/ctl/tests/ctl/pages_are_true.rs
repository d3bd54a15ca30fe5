//! The pages of `docs/policies`, block by block, in a directory of their own: commands run and print what is shown, files
//! are written, and what is said to be in a file is there. A block that none of this is done with gives its reason.
//!
//! A comment before a block says what it is:
//!
//! - `<!-- file: PATH -->`: it is written to PATH, below the directory of the page's commands so far.
//! - `<!-- in: PATH -->`: that file holds these lines. `policies/` is that of this workspace.
//! - `<!-- exit: N -->`: the last command of a `console` block ends with this status.
//! - `<!-- needs: PROGRAM, PACKAGE -->`: without the program this block is not run, and reported as a skipped test.
//! - `<!-- not run: REASON -->`.
//!
//! A block of `text` is an illustration. A `console` block needs no comment: `$ ` begins a command, the lines below are
//! its output, if any are shown. `…` stands for any text, alone in a line for any lines. Costs, times, sizes and digests
//! are not compared.

mod blocks;
mod output;
mod reader;

use std::fs;
use std::path::{Path, PathBuf};

use blocks::Mark;
use reader::Reader;

/// Pages that tests of their own run.
const ELSEWHERE: [(&str, &str); 2] =
    [("shipping.md", "policies_are_shipped/page.rs"), ("cases.md", "policies_pass_their_cases.rs")];

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join("docs/policies")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.sort();
    pages
}

fn follow(page: &str) {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let mut reader = Reader::new(page, text.contains("$ ginghamctl try"));
    for block in blocks::of(page, &text) {
        reader.follow(&block);
    }
    assert!(reader.commands > 0, "{page} runs no command");
}

#[test]
fn every_block_is_run_or_gives_its_reason() {
    for path in pages() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some((_, test)) = ELSEWHERE.iter().find(|(page, _)| *page == name) {
            let source =
                fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ctl").join(test)).unwrap();
            assert!(source.contains(&format!("docs/policies/{name}")), "{test} does not run {name}");
            continue;
        }
        let blocks = blocks::of(name, &fs::read_to_string(&path).unwrap());
        let has_commands = blocks.iter().any(blocks::Block::is_run);
        let source = include_str!("pages_are_true.rs");
        assert!(!has_commands || source.contains(&format!("follow(\"docs/policies/{name}\")")), "nothing runs {name}");
    }
}

#[test]
fn the_guide() {
    follow("docs/policies/guide.md");
}

#[test]
fn policies_in_rust() {
    follow("docs/policies/rust.md");
}

#[test]
fn policies_in_c() {
    follow("docs/policies/c.md");
}

#[test]
fn policies_in_javascript() {
    follow("docs/policies/javascript.md");
}

#[test]
fn policies_in_python() {
    follow("docs/policies/python.md");
}

#[test]
fn the_cookbook() {
    follow("docs/policies/cookbook.md");
}

#[test]
fn three_nodes() {
    if skipped_tests::has("/usr/bin/etcd", "etcd-server") {
        follow("docs/cluster.md");
    }
}

#[test]
fn a_block_without_a_mark_is_found() {
    for (text, message) in [
        ("```toml\nx = 1\n```\n", "page.md:1: a block of `toml` that nothing is done with"),
        ("text\n\n```sh\nls\n```\n", "page.md:3: a block of `sh` that nothing is done with"),
        ("<!-- not run: -->\n```c\nx\n```\n", "page.md:2: `not run` without a reason"),
        ("<!-- exit: 1 -->\n```json\n{}\n```\n", "page.md:2: `exit` goes with `console`"),
        ("```console\nls\n```\n", "page.md:1: output before the first command"),
    ] {
        let found = std::panic::catch_unwind(|| blocks::of("page.md", text)).unwrap_err();
        let found = found.downcast_ref::<String>().unwrap();
        assert!(found.contains(message), "{found}");
    }
    assert_eq!(blocks::of("page.md", "<!-- file: a/b -->\n```c\nx\n```\n")[0].mark, Mark::File("a/b".to_owned()));
}
