//! The commands of docs/policies/shipping.md, one after another, and what they print.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::harness::{ADDRESS, Authority, Registry, Service, Shop, text, with_registry};
use super::signatures::{SSH_KEYGEN, ssh_key};
use crate::program::{CTL, scrubbed};

/// `ginghamctl` for a reader whose machine trusts the registry.
fn wrapper(shop: &Shop, authority: &Authority) {
    let script = format!(
        "case \"$2\" in\n\
         push|pull|sign) exec {CTL} \"$@\" --ca {ca} ;;\n\
         add|verify) test ! -e {trust} || set -- \"$@\" --trust {trust}\n\
         exec {CTL} --library {library} \"$@\" --ca {ca} ;;\n\
         *) exec {CTL} --library {library} \"$@\" ;;\n\
         esac",
        ca = text(&authority.file),
        trust = text(&shop.path("etc/trust.toml")),
        library = text(&shop.path("library")),
    );
    shop.program("ginghamctl", &script);
}

/// Blocks of commands, each with what is shown below it.
fn blocks(page: &str) -> Vec<(String, Option<String>)> {
    let parts: Vec<&str> = page.split("```").collect();
    let fenced = parts.chunks(2).filter_map(|chunk| Some((chunk.first()?.trim().is_empty(), *chunk.get(1)?)));
    let mut blocks: Vec<(String, Option<String>)> = Vec::new();
    for (follows, block) in fenced {
        match (block.split_once('\n').unwrap(), blocks.last_mut()) {
            (("sh", commands), _) => blocks.push((commands.to_owned(), None)),
            (("text", shown), Some((_, expected))) if follows => *expected = Some(shown.to_owned()),
            ((language, _), _) => panic!("a block of {language:?} that nothing runs"),
        }
    }
    blocks
}

#[test]
fn its_commands_work_and_print_what_it_shows() {
    if !skipped_tests::has(SSH_KEYGEN, "openssh-client") || !skipped_tests::has("/usr/bin/openssl", "openssl") {
        return;
    }
    with_registry(|shop| {
        let authority = Authority::new(shop, "authority");
        let _registry = Registry::start(shop, &Service { tls: Some(&authority), login: None });
        wrapper(shop, &authority);
        shop.policy();
        ssh_key(shop, "id_ed25519");
        fs::create_dir_all(shop.path("home/.ssh")).unwrap();
        for name in ["id_ed25519", "id_ed25519.pub"] {
            fs::rename(shop.path(name), shop.path("home/.ssh").join(name)).unwrap();
        }
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies/shipping.md");
        let page = fs::read_to_string(page).unwrap();
        let blocks = blocks(&page);
        assert!(blocks.len() >= 6, "{blocks:?}");
        for (commands, shown) in blocks {
            let etc = shop.path("etc");
            let here = commands.replace("registry.example", ADDRESS).replace("/etc/gingham", text(&etc));
            let mut shell = Command::new("sh");
            shell.args(["-euc", &here]).current_dir(shop.path("")).env_clear();
            shell.env("PATH", format!("{}:/usr/bin:/bin", shop.path("bin").display()));
            let output =
                shell.env("HOME", shop.path("home")).env("XDG_RUNTIME_DIR", shop.path("run")).output().unwrap();
            let [said, complained] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
            assert!(output.status.success(), "{commands}{said}{complained}");
            if let Some(shown) = shown {
                assert_eq!(scrubbed(&said.replace(ADDRESS, "registry.example")), scrubbed(&shown), "{commands}");
            }
        }
        assert_eq!(shop.listed("sticky")["signer"]["comment"], "team.pub");
    });
}
