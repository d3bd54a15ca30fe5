//! What came of all cases, as `JUnit`'s XML: a suite for each file.

use std::fmt::Write as _;
use std::io;

use gingham_workbench::cases::{CaseOutcome, Failure};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::results::{FileResult, Results, place};

pub(super) fn report(component: &str, results: &Results) -> io::Result<String> {
    let mut report = Report::new(format!("policy {component}"));
    report.add_test_suites(results.files.iter().map(suite));
    report.to_string().map_err(io::Error::other)
}

fn suite(file: &FileResult) -> TestSuite {
    let path = file.path.display().to_string();
    let mut suite = TestSuite::new(path.clone());
    match &file.cases {
        Ok(outcomes) => {
            suite.add_test_cases(outcomes.iter().map(|outcome| case(&path, outcome)));
        }
        Err((_, message)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(format!("{path}: {message}"));
            suite.add_test_case(TestCase::new("the file is read", status));
        }
    }
    suite
}

fn case(path: &str, outcome: &CaseOutcome) -> TestCase {
    let status = outcome.failure.as_ref().map_or_else(TestCaseStatus::success, |failure| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(format!("{path}:{}: {}", failure.line, place(failure))).set_description(text(failure));
        status
    });
    let mut case = TestCase::new(outcome.name.clone(), status);
    case.set_classname(path).set_time(outcome.elapsed);
    case
}

fn text(failure: &Failure) -> String {
    let mut text = String::new();
    for mismatch in &failure.mismatches {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{}\n  expected  {}\n  got       {}", mismatch.what, mismatch.expected, mismatch.got);
    }
    for (name, value) in &failure.report {
        let _ = writeln!(text, "{name:<8}  {value}");
    }
    text
}
