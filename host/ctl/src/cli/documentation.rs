//! `docs/cli.md`, made of the help texts.

use std::fmt::Write;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::{Cli, KubectlCli};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");

/// Set to write the page instead of comparing it.
const UPDATE: &str = "GINGHAM_UPDATE_DOCS";

/// Each command below another with the words that call it.
fn commands(command: &Command, words: &str) -> Vec<(String, Command)> {
    let mut found = vec![(words.to_owned(), command.clone().bin_name(words))];
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        found.extend(commands(sub, &format!("{words} {}", sub.get_name())));
    }
    found
}

fn all() -> Vec<(String, Command)> {
    // Propagates --library to all commands.
    let mut root = Cli::command().term_width(120);
    root.build();
    let mut plugin = KubectlCli::command().term_width(120);
    plugin.build();
    [commands(&root, "ginghamctl"), commands(&plugin, "kubectl gingham")].concat()
}

fn help(command: &Command) -> String {
    let help = command.clone().term_width(120).render_long_help().to_string();
    help.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn page() -> String {
    let mut page = "# Commands of `ginghamctl` and `kubectl gingham`\n\n<!-- Generated from the help texts: GINGHAM_UPDATE_DOCS=1 cargo test -p ginghamctl documentation -->\n\n".to_owned();
    for (words, command) in &all() {
        let anchor = words.replace(' ', "-");
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "- [`{words}`](#{anchor}): {about}");
    }
    for (words, command) in &all() {
        let _ = write!(page, "\n## `{words}`\n\n```text\n{}```\n", help(command));
    }
    page
}

#[test]
fn the_page_has_the_help_of_every_command() {
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(PAGE, page()).unwrap();
    }
    let written = std::fs::read_to_string(Path::new(PAGE)).unwrap_or_default();
    assert!(written == page(), "docs/cli.md is not up to date: run {UPDATE}=1 cargo test -p ginghamctl documentation");
}

/// As the first words of an example.
fn program(words: &str) -> &'static str {
    if words.starts_with("kubectl") { "kubectl gingham " } else { "ginghamctl " }
}

#[test]
fn every_command_has_facts_and_two_examples() {
    for (words, command) in all() {
        let help = help(&command);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{words}: {help}"));
        assert!(examples.lines().filter(|line| line.contains(program(&words))).count() >= 2, "{words}: {examples}");
        assert!(examples.contains(&words), "{words}: {examples}");
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{words}: {help}");
        assert_eq!(help.contains("\n      --json\n"), help.contains("With --json: "), "{words}");
    }
}
