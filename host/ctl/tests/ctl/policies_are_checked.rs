//! `policy check`, `bench`, `replay` and `compare`, as an author uses them.

use std::path::PathBuf;

use gingham_engine::attachment::{Answer, Assigned};
use gingham_engine::history::{Event, FORMAT, Line, Outcome, RecordedRequest, Requested, Snapshot, Start};
use serde_json::{Value, json};

use crate::program::{Said, ctl};

/// A directory with a configuration; nothing is installed in its library.
struct Author {
    directory: tempfile::TempDir,
}

impl Author {
    fn new() -> Self {
        let author = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(author.path("library")).unwrap();
        let ipam = json!({"type": "gingham", "subnet": "10.66.0.0/28", "subnets": ["10.66.0.0/28", "fd00:66::/64"]});
        author.write(
            "net.json",
            &json!({"cniVersion": "1.1.0", "name": "mynet", "type": "gingham", "ipam": ipam}).to_string(),
        );
        author
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let shown = |argument: &&str| match argument.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => (*argument).to_owned(),
        };
        let library = self.path("library").display().to_string();
        let arguments = arguments.iter().map(shown).chain(["--library".to_owned(), library]);
        ctl(["policy".to_owned()].into_iter().chain(arguments))
    }
}

#[test]
fn a_broken_property_is_a_case_that_fails_alike() {
    let author = Author::new();
    let component = wrong_policies::component("drops_a_family_when_it_is_full");
    std::fs::write(author.path("mine.wasm"), component).unwrap();
    let check = ["check", "@mine.wasm", "--config", "@net.json", "--steps", "2000", "--save", "@found.toml"];
    let said = author.run(&check);
    assert!(said.out.contains("  broken     families: "), "{}", said.out);
    assert!(said.out.contains("policy test"), "{}", said.out);
    let error = said.failed();
    assert!(error.starts_with("ginghamctl: policy mine breaks families: a request gets addresses"), "{error}");

    let tested = author.run(&["test", "@mine.wasm", "@found.toml"]);
    assert!(tested.out.contains("exhausted"), "{}", tested.out);
    assert_eq!(tested.failed(), "ginghamctl: 1 of 1 case failed\n");

    let skipping = ["check", "@mine.wasm", "--config", "@net.json", "--steps", "300", "--skip", "families", "--json"];
    let checked: Value = serde_json::from_str(&author.run(&skipping).done()).unwrap();
    assert_eq!(checked["finding"], Value::Null);
    let count = |name: &str| checked[name].as_u64().unwrap();
    assert_eq!(count("adds"), count("granted") + count("refused"), "{checked}");
    assert!(checked["granted"].as_u64().unwrap() > 50 && checked["exhausted"].as_u64().unwrap() > 10, "{checked}");
}

#[test]
fn a_check_that_saw_only_refusals_fails() {
    let author = Author::new();
    let ipam = json!({"type": "gingham", "subnet": "10.66.0.0/28", "exclude": ["10.66.0.0/28"]});
    author.write("none.json", &json!({"name": "mynet", "type": "gingham", "ipam": ipam}).to_string());
    let said = author.run(&["check", "host-local", "--config", "@none.json", "--steps", "200"]);
    assert!(said.out.contains(": 0 granted, ") && !said.out.contains("kept"), "{}", said.out);
    let error = said.failed();
    assert!(error.contains("policy host-local: none of ") && error.contains("requests was granted"), "{error}");
}

#[test]
fn a_place_that_cannot_be_written_is_reported_before_the_work() {
    let author = Author::new();
    std::fs::create_dir(author.path("a-directory")).unwrap();
    for (place, reason) in [("@nowhere/found.toml", "No such file"), ("@a-directory", "Is a directory")] {
        let check = ["check", "host-local", "--config", "@net.json", "--time", "1h", "--steps", "100000000"];
        let said = author.run(&[&check[..], &["--save", place]].concat());
        assert_eq!(said.out, "");
        let error = said.failed();
        assert!(error.contains("cannot write the case to") && error.contains(reason), "{error}");
        let bench = author.run(&["bench", "host-local", "--config", "@net.json", "--runs", "100000", "--save", place]);
        assert!(bench.failed().contains("cannot write the bench to"));
    }
    author.write("kept.toml", "what was there");
    let check = ["check", "host-local", "--config", "@net.json", "--steps", "100", "--save", "@kept.toml"];
    author.run(&check).done();
    assert_eq!(std::fs::read_to_string(author.path("kept.toml")).unwrap(), "what was there");
}

#[test]
fn a_component_shows_the_language_that_its_author_wrote() {
    let author = Author::new();
    author.run(&["new", "mine", "--lang", "js", "--dir", "@mine"]).done();
    let shown = author.run(&["inspect", "@mine"]).out;
    assert!(shown.contains("  language     JavaScript\n"), "{shown}");
}

#[test]
fn a_check_of_no_steps_is_refused() {
    let said = Author::new().run(&["check", "host-local", "--config", "@net.json", "--steps", "0"]);
    assert!(said.code != Some(0) && said.err.contains("expected a whole number from 1 on"), "{}", said.err);
}

#[test]
fn a_bench_in_which_nothing_is_granted_fails() {
    let author = Author::new();
    let ipam = json!({"type": "gingham", "subnet": "10.66.0.0/28", "exclude": ["10.66.0.0/28"]});
    author.write("none.json", &json!({"name": "mynet", "type": "gingham", "ipam": ipam}).to_string());
    let said = author.run(&["bench", "host-local", "--config", "@none.json", "--runs", "1"]);
    assert!(said.out.contains("0 % leased: "), "{}", said.out);
    assert!(said.failed().contains("no request was granted"));
}

#[test]
fn more_fuel_than_saved_fails() {
    let author = Author::new();
    let bench = |rest: &[&str]| {
        let arguments = ["bench", "host-local", "--config", "@net.json", "--runs", "1"];
        author.run(&[&arguments, rest].concat())
    };
    let shown = bench(&["--save", "@bench.json"]).done();
    assert!(shown.contains("50 % leased  allocate"), "{shown}");
    assert!(shown.contains("1000 leases: not measured: the pools have 13 addresses"), "{shown}");
    let compared = bench(&["--compare", "@bench.json"]).done();
    assert!(compared.contains("no export needs more fuel than in the saved bench"), "{compared}");

    let saved = std::fs::read_to_string(author.path("bench.json")).unwrap();
    let mut cheaper: Value = serde_json::from_str(&saved).unwrap();
    let fuel = cheaper["situations"][0]["exports"]["allocate"]["fuel"].as_u64().unwrap();
    cheaper["situations"][0]["exports"]["allocate"]["fuel"] = json!(fuel - 1);
    author.write("bench.json", &cheaper.to_string());
    let worse = bench(&["--compare", "@bench.json"]);
    assert!(
        worse.out.contains(&format!("0 % leased: allocate needs {fuel} fuel instead of {}", fuel - 1)),
        "{}",
        worse.out
    );
    assert!(worse.failed().contains("1 export needs more fuel than in "));

    cheaper["wasmtime"] = json!("47.0.0");
    author.write("bench.json", &cheaper.to_string());
    assert!(bench(&["--compare", "@bench.json"]).failed().contains("fuel of two versions cannot be compared"));
}

fn history(address: &str) -> String {
    let start = Start {
        format: FORMAT,
        network: "mynet".to_owned(),
        node: "node-1".to_owned(),
        ipam: json!({"subnet": "10.66.0.0/28"}).as_object().unwrap().clone(),
        ..Start::default()
    };
    let gateway = Some("10.66.0.1".parse().unwrap());
    let assigned = Assigned { address: address.parse().unwrap(), gateway };
    let request =
        RecordedRequest { container_id: "c1".to_owned(), interface: "eth0".to_owned(), ..RecordedRequest::default() };
    let outcome = Outcome::Granted(Answer { addresses: vec![assigned], ..Answer::default() });
    let requested = Requested::new(request, outcome);
    let snapshot = Snapshot { complete: true, ..Snapshot::default() };
    let events = [Event::Start(start), Event::Snapshot(snapshot), Event::Request(Box::new(requested))];
    let line = |(order, event)| Line { at: 0, order, event, config: "one".to_owned() };
    (0..).zip(events).map(|numbered| serde_json::to_string(&line(numbered)).unwrap() + "\n").collect()
}

#[test]
fn a_history_is_replayed_and_compared() {
    let author = Author::new();
    author.write("same.jsonl", &history("10.66.0.2/28"));
    let same = author.run(&["replay", "@same.jsonl", "host-local"]).done();
    assert!(same.contains("1 request, 0 ends\n         1  same"), "{same}");

    author.write("other.jsonl", &history("10.66.0.7/28"));
    let other = author.run(&["replay", "@other.jsonl", "host-local"]);
    assert!(other.out.contains("recorded   10.66.0.7/28 via 10.66.0.1"), "{}", other.out);
    assert!(other.out.contains("answered   10.66.0.2/28 via 10.66.0.1"), "{}", other.out);
    assert_eq!(other.failed(), "ginghamctl: 1 of 1 request is answered differently\n");

    let compared = author.run(&["compare", "host-local", "host-local", "@other.jsonl", "--json"]).done();
    assert_eq!(serde_json::from_str::<Value>(&compared).unwrap()["verdicts"], json!({"same": 1}));
    let generated = ["compare", "host-local", "host-local", "--config", "@net.json", "--steps", "100"];
    assert!(author.run(&generated).done().contains("  same"));
}

#[test]
fn histories_that_cannot_be_read_are_explained() {
    let author = Author::new();
    let whole = history("10.66.0.2/28");
    let replay = |text: &str| {
        author.write("it.jsonl", text);
        author.run(&["replay", "@it.jsonl", "host-local"])
    };
    assert!(replay("").failed().contains("the history is empty"));
    assert!(replay(&whole.replacen("\"order\"", "\"orde", 1)).failed().contains("line 1 is not a line of a history"));
    let rotated = whole.split_once('\n').unwrap().1;
    assert!(replay(rotated).failed().contains("belongs to configuration \"one\""));
    let torn = replay(&whole[..whole.len() - 9]).done();
    assert!(torn.contains("note: the last line is not complete and was left out"), "{torn}");
    let without_end = replay(&(whole.clone() + whole.lines().last().unwrap() + "\n")).out;
    assert!(without_end.contains("note: the end of an attachment is not in the history"), "{without_end}");
    let wrong = replay(&(whole.clone() + "nonsense\n")).failed();
    assert!(wrong.contains("line 4 is not a line of a history: ") && !wrong.contains("at line"), "{wrong}");
    assert!(author.run(&["replay", "@none.jsonl", "host-local"]).failed().contains("cannot read the history"));
}

#[test]
fn what_is_no_configuration_is_refused() {
    let author = Author::new();
    author.write("list.json", "[]");
    let error = author.run(&["check", "host-local", "--config", "@list.json"]).failed();
    assert!(error.contains("has no `ipam` object"), "{error}");
    author.write("empty.json", r#"{"type": "gingham"}"#);
    let error = author.run(&["check", "host-local", "--config", "@empty.json"]).failed();
    assert!(error.contains("no IP ranges specified"), "{error}");
}
