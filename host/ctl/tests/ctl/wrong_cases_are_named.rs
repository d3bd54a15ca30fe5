//! `ginghamctl policy test`: files of cases that are wrong, steps that no node could make, and expectations that would check
//! nothing.

use crate::policies_pass_their_cases::Bench;

#[test]
fn a_step_that_no_node_could_make_is_named() {
    let bench = Bench::new();
    let cluster = "range = \"10.32.0.0/12\"";
    let subnet = "subnet = \"10.1.0.0/29\"";
    for (policy, config, step, message) in [
        ("host-local", subnet, "share = \"a\"", "host-local is not a cluster policy"),
        ("host-local", subnet, "adopt = { \"10.1.0.2\" = \"q\" }", "10.1.0.2 is leased to x: adopt another address\n"),
        ("host-local", subnet, "adopt = { \"10.1.0.3\" = \"x\" }", "container \"x\" holds addresses already: adopt"),
        (
            "weave-split",
            cluster,
            "next-block = 1",
            "there is 1 pool, and pools are counted from 0: there is no pool 1\n",
        ),
    ] {
        let leases = if policy == "host-local" { "{ address = \"10.1.0.2\", container = \"x\" }" } else { "" };
        let case = format!(
            "config = {{ {config} }}\n[[case]]\nname = \"x\"\nleases = [{leases}]\ncluster = {{ members = [\"a\"] }}\n\
             [[case.step]]\n{step}\n"
        );
        bench.file("x.toml", &case);
        let said = bench.test(&[policy, "x.toml"]);
        let action = step.split(' ').next().unwrap();
        assert!(said.out.contains(&format!("x.toml:6: step 1, {action}\n")), "{}", said.out);
        assert!(said.out.contains(message) && !said.out.contains("a defect in Gingham"), "{}", said.out);
        said.failed();
    }
}

/// Two addresses of one container are one attachment, as in the reference.
#[test]
fn adopted_leases_are_those_of_their_containers() {
    let bench = Bench::new();
    let case = "config = { subnets = [\"10.1.0.0/29\", \"fd00::/64\"] }\n[[case]]\nname = \"x\"\n[[case.step]]\n\
                adopt = { \"10.1.0.2\" = \"q\", \"fd00::2\" = \"q\" }\n[[case.step]]\ndel = \"q\"\n\
                expect.freed = [\"10.1.0.2\", \"fd00::2\"]\n";
    bench.file("x.toml", case);
    bench.test(&["host-local", "x.toml"]).done();
}

#[test]
fn pools_are_compared_where_no_problem_is_expected() {
    let bench = Bench::new();
    let case = "config = { subnet = \"10.1.0.0/29\" }\n[[case]]\nname = \"x\"\n[[case.step]]\ncheck-config = true\n";
    for (expected, message) in [
        ("expect.problems = []\nexpect.pools = [{ name = \"a\" }]\n", "pools[0].name expected  a\n"),
        ("expect.problems = [\"subnet: \", \"x\"]\n", "problems     expected  subnet: ; x\n"),
    ] {
        bench.file("x.toml", &format!("{case}{expected}"));
        let said = bench.test(&["host-local", "x.toml"]);
        assert!(said.out.contains(message), "{}", said.out);
        said.failed();
    }
}

/// The file is refused, at this line and with these words.
#[track_caller]
fn is_named(bench: &Bench, text: &str, line: usize, message: &str) {
    let path = bench.file("wrong.toml", text);
    let said = bench.test(&["host-local", path.to_str().unwrap()]);
    let place = format!("FAIL  {}:{line}: ", path.display());
    assert!(said.out.contains(&place) && said.out.contains(message), "{message}: {}", said.out);
    assert!(said.out.ends_with("0 passed, 1 failed\n"), "{}", said.out);
    said.failed();
}

#[test]
fn a_misspelt_key_is_named_with_its_line() {
    let bench = Bench::new();
    for (text, line, message) in [
        (
            "[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\nexpekt = \"10.1.0.2/24\"\n",
            5,
            "unknown key `expekt`: did you mean `expect`?",
        ),
        ("[[case]]\nname = \"x\"\nlease = []\n", 3, "unknown key `lease`: did you mean `leases`?"),
        (
            "[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\nexpect.adresses = \"x\"\n",
            5,
            "unknown key `adresses`: did you mean `addresses`?",
        ),
        (
            "[[case]]\nname = \"x\"\n\n[[case.step]]\ndel = \"a\"\npod = \"n/p\"\n",
            4,
            "case \"x\", step 1: `pod` does not go with `del`",
        ),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\ndel = \"a\"\n", 3, "`add` and `del` are two steps"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\npod = \"web\"\n", 5, "use namespace/name"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nadvance = \"soon\"\n", 4, "use a number and a unit"),
        ("[[case]]\nname = \"x\"\n[[case]]\nname = \"x\"\n", 3, "the name \"x\" is that of an earlier case"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nexpect = \"granted\"\n", 3, "the step does nothing"),
        ("[[case]]\nname = \"x\"\n", 1, "case \"x\" has no step, so it checks nothing"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\ntimes = 0\n", 3, "use a number from 1 to 100000"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\ntimes = 200_000\n", 3, "use a number from 1 to 100000"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\ntimes = -1\n", 5, "a whole number from 0 to 4294967295"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"\"\n", 3, "invalid container id \"\" in `add`"),
        ("[[case]]\nname = \"x\"\n[[case.step]]\ngc = [\"a\", \"../b\"]\n", 3, "invalid container id \"../b\" in `gc`"),
        ("config = { a = 1979-05-27 }\n[[case]]\nname = \"x\"\n", 1, "`a` is a date, and dates are not JSON"),
        ("[[case]]\nname = \"x\"\nconfig = { cooldown = inf }\n", 3, "`cooldown` is inf or nan"),
        ("config = {}\n", 1, "there is no case in it"),
        ("case = \n", 1, ""),
    ] {
        is_named(&bench, text, line, message);
    }
}

#[test]
fn a_value_of_another_type_is_named_in_plain_words() {
    let bench = Bench::new();
    for (text, line, message) in [
        ("config = \"x\"\n", 1, "invalid type: string \"x\", expected a table"),
        ("node = \"x\"\n", 1, "invalid type: string \"x\", expected a table such as { name = \"node-1\" }"),
        ("[[case]]\nname = \"x\"\nleases = \"x\"\n", 3, "expected a list"),
        ("[[case]]\nname = []\n", 2, "invalid type: list, expected a string"),
        (
            "[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\nresolv-conf = \"x\"\n",
            5,
            "expected a table such as { nameservers = [\"10.1.0.53\"] }",
        ),
        (
            "[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\nexpect.refused = \"full\"\n",
            5,
            "unknown value `full`, expected one of `any`, `exhausted`",
        ),
    ] {
        is_named(&bench, text, line, message);
    }
}

#[test]
fn an_expectation_that_another_switches_off_is_an_error() {
    let bench = Bench::new();
    for (text, line, message) in [
        (
            "[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\nexpect.refused = \"any\"\nexpect.addresses = \"10.1.0.2/24\"\n",
            3,
            "case \"x\", step 1: `expect.addresses` does not go with `expect.refused`",
        ),
        (
            "[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\nexpect.message = \"full\"\nexpect.reason = \"last\"\n",
            3,
            "case \"x\", step 1: `expect.reason` does not go with `expect.message`",
        ),
        (
            "[[case]]\nname = \"x\"\n[[case.step]]\ncheck-config = true\nexpect.problems = \"x\"\nexpect.pools = []\n",
            3,
            "case \"x\", step 1: `expect.pools` does not go with `expect.problems`",
        ),
    ] {
        is_named(&bench, text, line, message);
    }
}

#[test]
fn an_expectation_that_checks_nothing_is_an_error() {
    let bench = Bench::new();
    for step in ["del = \"a\"", "advance = \"1s\"", "set-back = \"1s\"", "reboot = true", "check-config = true"] {
        let path =
            bench.file("x.toml", &format!("[[case]]\nname = \"x\"\n[[case.step]]\n{step}\nexpect = \"granted\"\n"));
        let said = bench.test(&["host-local", path.to_str().unwrap()]);
        assert!(said.out.contains("`expect = \"granted\"` does not go with `"), "{step}: {}", said.out);
        said.failed();
    }
}

#[test]
fn a_situation_that_no_node_is_in_is_named() {
    let bench = Bench::new();
    let long = "k".repeat(257);
    let large = "v".repeat((64 << 10) + 1);
    for (situation, message) in [
        (
            "leases = [{ address = \"10.1.0.2\", container = \"a\" }, { address = \"10.1.0.2\", container = \"b\" }]".to_owned(),
            "`leases` names 10.1.0.2 twice",
        ),
        ("leases = [{ address = \"10.1.0.2\", container = \"../a\" }]".to_owned(), "invalid container id \"../a\""),
        (
            "reservations = [{ key = \"a\", address = \"10.1.0.2\", for = \"1h\" }, { key = \"b\", address = \"10.1.0.2\", \
             for = \"1h\" }]"
                .to_owned(),
            "`reservations` names 10.1.0.2 twice",
        ),
        (format!("state = {{ {long} = \"v\" }}"), "a key of `state` has 257 bytes"),
        (format!("state = {{ k = \"{large}\" }}"), "the value of \"k\" in `state` has 65537 bytes"),
    ] {
        let text = format!("config = {{ subnet = \"10.1.0.0/24\" }}\n[[case]]\nname = \"x\"\n{situation}\n[[case.step]]\nadd = \"z\"\n");
        let path = bench.file("x.toml", &text);
        let said = bench.test(&["host-local", path.to_str().unwrap()]);
        assert!(said.out.contains(message) && !said.out.contains("a defect in Gingham"), "{message}: {}", said.out);
        said.failed();
    }
}
