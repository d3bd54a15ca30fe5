//! The `nft` tool shows a network's masquerade as one would have written it, and makes the same instructions of that
//! text. Needs `nft`, Debian's package nftables.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use gingham_net::masquerade::{self, Outcome};
use gingham_net::netns::NetNs;
use ipnet::IpNet;

const NFT: &str = "/usr/sbin/nft";

fn nft_is_here() -> bool {
    what_did_not_run::has(NFT, "nftables")
}

fn nft(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(NFT);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn on_a_fresh_host<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    NetNs::create().unwrap().enter(work).unwrap()
}

fn masquerade(prefixes: &[IpNet]) {
    let outcome = masquerade::ensure(&mut masquerade::open("mynet").unwrap(), "mynet", prefixes);
    assert_eq!(outcome, Ok(Outcome::Installed));
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What the module's documentation promises.
fn as_written(prefixes: &[IpNet]) -> String {
    let mut text = "table inet gingham-mynet {\n\tchain postrouting {\n\
                    \t\ttype nat hook postrouting priority srcnat; policy accept;\n"
        .to_owned();
    for prefix in prefixes {
        let (ip, multicast) = if matches!(prefix, IpNet::V4(_)) { ("ip", "224.0.0.0/4") } else { ("ip6", "ff00::/8") };
        writeln!(
            text,
            "\t\t{ip} saddr {prefix} {ip} daddr != {prefix} {ip} daddr != {multicast} masquerade comment \"{prefix}\""
        )
        .unwrap();
    }
    text + "\t}\n}\n"
}

#[test]
fn nft_lists_it_as_one_would_write_it() {
    if !nft_is_here() {
        return;
    }
    let prefixes = nets(&["10.244.0.0/16", "192.168.64.0/18", "2001:db8::/61", "fd00:1::/64"]);
    let listed = on_a_fresh_host(|| {
        masquerade(&prefixes);
        nft(&["list", "table", "inet", "gingham-mynet"], "")
    });
    assert_eq!(listed, as_written(&prefixes));
}

#[test]
fn nft_makes_the_same_instructions_of_that_text() {
    if !nft_is_here() {
        return;
    }
    let prefixes = nets(&[
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.244.0.0/16",
        "10.244.16.0/20",
        "128.0.0.0/1",
        "192.0.2.7/32",
        "::/0",
        "2001:db8::/61",
        "fd00::1/128",
        "fd00:1::/64",
        "fe80::/10",
    ]);
    let instructions = || nft(&["--debug=netlink", "list", "table", "inet", "gingham-mynet"], "");
    let ours = on_a_fresh_host(|| {
        masquerade(&prefixes);
        instructions()
    });
    let theirs = on_a_fresh_host(|| {
        nft(&["-f", "-"], &as_written(&prefixes));
        instructions()
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours.matches("[ masq ]").count(), prefixes.len());
}

/// Read back from a saved file, the rules are ours: nothing is missing, nothing is installed twice.
#[test]
fn a_ruleset_that_nft_saved_and_restored_is_recognised() {
    if !nft_is_here() {
        return;
    }
    let prefixes = nets(&["10.244.0.0/16", "10.245.16.0/20", "2001:db8::/61", "fd00:1::/64"]);
    on_a_fresh_host(|| {
        masquerade(&prefixes);
        let saved = nft(&["list", "ruleset"], "");
        nft(&["flush", "ruleset"], "");
        nft(&["-f", "-"], &saved);
        let mut socket = masquerade::open("mynet").unwrap();
        assert_eq!(masquerade::list(&mut socket, "mynet"), Ok(prefixes.clone()));
        assert_eq!(masquerade::ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::AlreadyThere));
    });
}

/// Rules of others that no typed message knows are neither shown to us nor in our way.
#[test]
fn a_foreign_ruleset_is_left_alone() {
    const FOREIGN: &str = "table inet nat {
\tchain postrouting {
\t\ttype nat hook postrouting priority srcnat + 10; policy accept;
\t\toifname \"eth0\" ct state new limit rate 5/second log prefix \"out \" counter masquerade random comment \"10.244.0.0/16\"
\t}
}
table ip gingham-mynet {
\tset pods {
\t\ttype ipv4_addr
\t\telements = { 10.244.0.2 }
\t}

\tchain postrouting {
\t\tip saddr @pods fib daddr type local accept
\t}
}
";
    if !nft_is_here() {
        return;
    }
    on_a_fresh_host(|| {
        nft(&["-f", "-"], FOREIGN);
        let before = nft(&["-a", "list", "ruleset"], "");
        let mut socket = masquerade::open("mynet").unwrap();
        assert_eq!(masquerade::list(&mut socket, "mynet"), Ok(vec![]));
        masquerade(&nets(&["10.244.0.0/16"]));
        assert_eq!(masquerade::remove(&mut socket, "mynet"), Ok(()));
        assert_eq!(nft(&["-a", "list", "ruleset"], ""), before);
    });
}

#[test]
fn what_nft_flushed_or_deleted_comes_back() {
    if !nft_is_here() {
        return;
    }
    let prefixes = nets(&["10.244.0.0/16", "fd00:1::/64"]);
    let damages = [
        "flush ruleset",
        "flush table inet gingham-mynet",
        "flush chain inet gingham-mynet postrouting",
        "delete table inet gingham-mynet",
        "delete chain inet gingham-mynet postrouting",
        "delete rule inet gingham-mynet postrouting handle 2",
    ];
    for damage in damages {
        on_a_fresh_host(|| {
            masquerade(&prefixes);
            nft(&["-f", "-"], damage);
            masquerade(&prefixes);
            let listed = nft(&["list", "table", "inet", "gingham-mynet"], "");
            assert_eq!(sorted_lines(&listed), sorted_lines(&as_written(&prefixes)), "after {damage}");
        });
    }
}

fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}
