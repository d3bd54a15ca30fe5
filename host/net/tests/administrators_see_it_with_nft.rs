//! The `nft` tool shows a network's masquerade and its guards against spoofed addresses as one would have written them,
//! and makes the same instructions of that text. Needs `nft`, Debian's package nftables.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use gingham_net::mac_filter::{self, MacFilter};
use gingham_net::masquerade::{self, MasqueradeError, Masqueraded, Outcome, ReferenceNames};
use gingham_net::netns::NetNs;
use ipnet::IpNet;

const NFT: &str = "/usr/sbin/nft";

fn nft_is_here() -> bool {
    skipped_tests::has(NFT, "nftables")
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

fn wanted() -> Masqueraded {
    Masqueraded {
        addresses: ["10.244.0.2", "fd00:1::2"].map(|text| text.parse().unwrap()).into(),
        within: nets(&["10.244.0.0/16", "fd00:1::/64"]),
    }
}

fn restore() -> Outcome {
    let mut kernel = masquerade::open("mynet").unwrap();
    masquerade::restore(&mut kernel, "mynet", |_| Ok::<_, MasqueradeError>(wanted())).unwrap()
}

fn masquerade() {
    assert_eq!(restore(), Outcome::Installed);
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What the module's documentation promises.
const AS_WRITTEN: &str = "table inet gingham-mynet {
\tset containers4 {
\t\ttype ipv4_addr
\t\telements = { 10.244.0.2 }
\t}

\tset network4 {
\t\ttype ipv4_addr
\t\tflags interval
\t\telements = { 10.244.0.0/16 }
\t}

\tset containers6 {
\t\ttype ipv6_addr
\t\telements = { fd00:1::2 }
\t}

\tset network6 {
\t\ttype ipv6_addr
\t\tflags interval
\t\telements = { fd00:1::/64 }
\t}

\tchain postrouting {
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tip saddr @containers4 ip daddr != @network4 ip daddr != 224.0.0.0/4 masquerade comment \"containers\"
\t\tip6 saddr @containers6 ip6 daddr != @network6 ip6 daddr != ff00::/8 masquerade comment \"containers\"
\t}
}
";

#[test]
fn nft_lists_it_as_one_would_write_it() {
    if !nft_is_here() {
        return;
    }
    let listed = on_a_fresh_host(|| {
        masquerade();
        nft(&["list", "table", "inet", "gingham-mynet"], "")
    });
    assert_eq!(listed, AS_WRITTEN);
}

#[test]
fn nft_makes_the_same_instructions_of_that_text() {
    if !nft_is_here() {
        return;
    }
    let instructions = || nft(&["--debug=netlink", "list", "chain", "inet", "gingham-mynet", "postrouting"], "");
    let ours = on_a_fresh_host(|| {
        masquerade();
        instructions()
    });
    let theirs = on_a_fresh_host(|| {
        nft(&["-f", "-"], AS_WRITTEN);
        instructions()
    });
    let rules = |text: &str| text.lines().filter(|line| line.trim_start().starts_with('[')).collect::<String>();
    assert_eq!(rules(&ours), rules(&theirs));
    assert_eq!(ours.matches("[ masq ]").count(), 2);
}

/// Read back from a saved file, the table is ours: nothing is missing, nothing is installed twice.
#[test]
fn a_ruleset_that_nft_saved_and_restored_is_recognised() {
    if !nft_is_here() {
        return;
    }
    on_a_fresh_host(|| {
        masquerade();
        let saved = nft(&["list", "ruleset"], "");
        nft(&["flush", "ruleset"], "");
        nft(&["-f", "-"], &saved);
        assert_eq!(restore(), Outcome::Unchanged);
        let mut kernel = masquerade::open("mynet").unwrap();
        assert_eq!(masquerade::add(&mut kernel, "mynet", &wanted()), Ok(Outcome::Installed));
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
        masquerade();
        assert_eq!(
            masquerade::remove(&mut socket, "mynet", &["10.244.0.2", "fd00:1::2"].map(|text| text.parse().unwrap())),
            Ok(())
        );
        assert_eq!(masquerade::remove_unused(&mut socket, "mynet"), Ok(()));
        assert_eq!(nft(&["-a", "list", "ruleset"], ""), before);
    });
}

#[test]
fn what_nft_flushed_or_deleted_comes_back() {
    if !nft_is_here() {
        return;
    }
    let damages = [
        "flush ruleset",
        "flush table inet gingham-mynet",
        "flush chain inet gingham-mynet postrouting",
        "flush set inet gingham-mynet containers4",
        "flush set inet gingham-mynet network6",
        "delete table inet gingham-mynet",
        "delete element inet gingham-mynet containers6 { fd00:1::2 }",
    ];
    for damage in damages {
        on_a_fresh_host(|| {
            masquerade();
            nft(&["-f", "-"], damage);
            masquerade();
            let listed = nft(&["list", "table", "inet", "gingham-mynet"], "");
            assert_eq!(sorted_lines(&listed), sorted_lines(AS_WRITTEN), "after {damage}");
        });
    }
}

fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

const GUARDS: &str = "table bridge gingham-mynet {
\tchain prerouting {
\t\ttype filter hook prerouting priority dstnat; policy accept;
\t\tiifname \"veth1\" ether saddr != c2:00:00:00:00:01 drop comment \"veth1 c1\"
\t\tiifname \"veth0123456789a\" ether saddr != 02:42:ac:11:00:02 drop comment \"veth0123456789a c2\"
\t}
}
";

fn guards() -> [MacFilter<'static>; 2] {
    let filter = |port, sender: &str, owner| MacFilter { port, sender: sender.parse().unwrap(), owner };
    [filter("veth1", "c2:00:00:00:00:01", "c1"), filter("veth0123456789a", "02:42:ac:11:00:02", "c2")]
}

fn install(guards: &[MacFilter<'_>]) {
    let mut socket = mac_filter::open("mynet").unwrap();
    for guard in guards {
        mac_filter::ensure(&mut socket, "mynet", guard).unwrap();
    }
}

#[test]
fn nft_lists_guards_as_one_would_write_them() {
    if !nft_is_here() {
        return;
    }
    let listed = on_a_fresh_host(|| {
        install(&guards());
        nft(&["list", "table", "bridge", "gingham-mynet"], "")
    });
    assert_eq!(listed, GUARDS);
}

#[test]
fn nft_makes_the_same_guards_of_that_text() {
    if !nft_is_here() {
        return;
    }
    let instructions = || nft(&["--debug=netlink", "list", "table", "bridge", "gingham-mynet"], "");
    let ours = on_a_fresh_host(|| {
        install(&guards());
        instructions()
    });
    let theirs = on_a_fresh_host(|| {
        nft(&["-f", "-"], GUARDS);
        let mut socket = mac_filter::open("mynet").unwrap();
        let known = |guard: &MacFilter<'_>| mac_filter::is_installed(&mut socket, "mynet", guard).unwrap();
        assert_eq!(guards().iter().map(known).collect::<Vec<_>>(), [true, true], "what nft installs is recognised");
        instructions()
    });
    assert_eq!(ours, theirs);
}

/// As the reference plugin has `nft` make it, with the rules of another container beside it.
const REFERENCE: &str = "table bridge nat {
\tchain PREROUTING {
\t\ttype filter hook prerouting priority dstnat; policy accept;
\t\tiifname \"vetha\" jump cni-br-iface-c1-eth0 comment \"macspoofchk-c1-eth0\"
\t\tiifname \"vethb\" jump cni-br-iface-c2-eth0 comment \"macspoofchk-c2-eth0\"
\t}

\tchain cni-br-iface-c1-eth0 {
\t\tjump cni-br-iface-c1-eth0-mac comment \"macspoofchk-c1-eth0\"
\t}

\tchain cni-br-iface-c1-eth0-mac {
\t\tether saddr c2:00:00:00:00:01 return comment \"macspoofchk-c1-eth0\"
\t\tdrop comment \"macspoofchk-c1-eth0\"
\t}

\tchain cni-br-iface-c2-eth0 {
\t\tjump cni-br-iface-c2-eth0-mac comment \"macspoofchk-c2-eth0\"
\t}

\tchain cni-br-iface-c2-eth0-mac {
\t\tether saddr c2:00:00:00:00:02 return comment \"macspoofchk-c2-eth0\"
\t\tdrop comment \"macspoofchk-c2-eth0\"
\t}
}
";

#[test]
fn guards_of_the_reference_are_removed_for_the_one_container() {
    if !nft_is_here() {
        return;
    }
    on_a_fresh_host(|| {
        nft(&["-f", "-"], REFERENCE);
        let mut socket = mac_filter::open("mynet").unwrap();
        // Twice: what is gone is no error.
        for _ in 0..2 {
            mac_filter::remove_reference(&mut socket, "mynet", "c1", "eth0").unwrap();
            let listed = nft(&["list", "table", "bridge", "nat"], "");
            assert!(!listed.contains("c1-eth0"), "{listed}");
            assert_eq!(listed.matches("c2-eth0").count(), REFERENCE.matches("c2-eth0").count(), "{listed}");
        }
    });
}

/// As the reference plugin has `nft` make it for two containers.
const REFERENCE_MASQUERADE: &str = "table inet cni_plugins_masquerade {
\tchain masq_checks {
\t\tip saddr 10.1.0.2 ip daddr != 10.1.0.0/24 masquerade comment \"00-11, net: mynet, if: eth0, id: c1\"
\t\tip saddr 10.1.0.3 ip daddr != 10.1.0.0/24 masquerade comment \"00-22, net: mynet, if: eth0, id: c2\"
\t}

\tchain postrouting {
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tip daddr 224.0.0.0/4 return
\t\tgoto masq_checks
\t}
}
";

#[test]
fn masquerade_of_the_reference_is_removed_for_the_one_container() {
    if !nft_is_here() {
        return;
    }
    on_a_fresh_host(|| {
        nft(&["-f", "-"], REFERENCE_MASQUERADE);
        let before = nft(&["list", "ruleset"], "");
        let mut socket = masquerade::open("mynet").unwrap();
        // Twice: what is gone is no error.
        for _ in 0..2 {
            let names = ReferenceNames { chain: "CNI-1", comment: "00-11" };
            masquerade::remove_reference(&mut socket, "mynet", &names).unwrap();
            let left: String = before.split_inclusive('\n').filter(|line| !line.contains("id: c1")).collect();
            assert_eq!(nft(&["list", "ruleset"], ""), left);
        }
    });
}
