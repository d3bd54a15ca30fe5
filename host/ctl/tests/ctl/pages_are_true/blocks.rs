//! The fenced blocks of a page.

/// What is done with a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Its commands are run, and the last one ends with this status.
    Run {
        exit: i32,
        needs: Option<(String, String)>,
    },
    /// It is written to this file.
    File(String),
    /// This file holds it.
    In(String),
    NotRun,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) mark: Mark,
}

/// A command and the output shown below it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) command: String,
    pub(super) output: String,
}

impl Block {
    pub(super) fn is_run(&self) -> bool {
        matches!(self.mark, Mark::Run { .. })
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for line in self.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step { command: format!("{command}\n"), output: String::new() });
            } else if let Some((more, step)) = line.strip_prefix("> ").zip(steps.last_mut()) {
                step.command.extend([more, "\n"]);
            } else if let Some(step) = steps.last_mut() {
                step.output.extend([line, "\n"]);
            }
        }
        steps
    }
}

/// All blocks of a page. Panics where one has no mark that says what to do with it.
pub(super) fn of(page: &str, text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let indent = lines[at].len() - lines[at].trim_start().len();
        if let Some(language) = lines[at].trim_start().strip_prefix("```") {
            let ends = lines[at + 1..].iter().position(|line| line.trim_start() == "```");
            let end = at + 1 + ends.expect("a block that ends");
            let place = format!("{page}:{}", at + 1);
            let body: Vec<&str> =
                lines[at + 1..end].iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
            let mark = mark(&place, language, &marks(&lines[..at]));
            let begins = body.first().is_some_and(|line| line.starts_with("$ "));
            assert!(begins || !matches!(mark, Mark::Run { .. }), "{place}: output before the first command");
            blocks.push(Block { line: at + 1, text: body.join("\n") + "\n", mark });
            at = end;
        }
        at += 1;
    }
    blocks
}

/// The comments directly above a block.
fn marks<'a>(before: &[&'a str]) -> Vec<&'a str> {
    let comment = |line: &&'a str| line.trim_start().strip_prefix("<!-- ")?.strip_suffix(" -->");
    before.iter().rev().map_while(comment).collect()
}

fn mark(place: &str, language: &str, comments: &[&str]) -> Mark {
    let value = |key: &str| comments.iter().find_map(|comment| comment.strip_prefix(key)).map(str::trim);
    if let Some(reason) = value("not run:") {
        assert!(!reason.is_empty(), "{place}: `not run` without a reason");
        return Mark::NotRun;
    }
    assert!(language == "console" || value("exit:").is_none(), "{place}: `exit` goes with `console`");
    match (language, value("file:"), value("in:")) {
        ("console", None, None) => {
            let exit = value("exit:").map_or(0, |status| status.parse().expect("a status"));
            let needs = value("needs:").map(|needs| needs.split_once(", ").expect("PROGRAM, PACKAGE"));
            Mark::Run { exit, needs: needs.map(|(program, package)| (program.to_owned(), package.to_owned())) }
        }
        // Figures, and shapes of commands.
        ("text", None, None) => Mark::NotRun,
        (_, Some(path), None) => Mark::File(path.to_owned()),
        (_, None, Some(path)) => Mark::In(path.to_owned()),
        _ => panic!("{place}: a block of `{language}` that nothing is done with"),
    }
}
