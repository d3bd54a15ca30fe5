//! `node install` in a directory that runtimes start plugins from at any moment: killed anywhere, it leaves whole programs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{CTL, Said, ctl, plugin};

const NAMES: [&str; 2] = ["gingham", "ginghamctl"];

/// Programs of a version, which start.
fn version(root: &Path, version: &str) -> PathBuf {
    let directory = root.join(version);
    fs::create_dir_all(&directory).unwrap();
    for name in NAMES {
        // More than one write of a copy would need to be seen.
        let text = format!("#!/bin/sh\nexit 0\n# {name} {version}\n{}\n", "#".repeat(100_000));
        let file = directory.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    directory
}

fn node(verb: &str, host: &Path, more: &[&str]) -> Said {
    ctl(["node", verb, "--host", host.to_str().unwrap()].iter().chain(more))
}

fn install(host: &Path, from: &Path) -> Said {
    node("install", host, &["--from", from.to_str().unwrap()])
}

fn installed(host: &Path) -> PathBuf {
    host.join("opt/cni/bin")
}

fn listed(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn is_same(one: &Path, other: &Path) -> bool {
    fs::read(one).unwrap() == fs::read(other).unwrap()
}

#[test]
fn a_host_directory_that_is_not_there_is_refused_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let (host, one) = (dir.path().join("hots"), version(dir.path(), "one"));
    let refused = install(&host, &one).failed();
    assert!(refused.contains("is not a directory, so nothing was installed"), "{refused}");
    assert!(!host.exists());
}

#[test]
fn nothing_is_written_where_everything_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (host, one) = (dir.path().join("host"), version(dir.path(), "one"));
    fs::create_dir(&host).unwrap();
    let said = install(&host, &one).done();
    assert!(said.contains("installed") && said.contains("opt/cni/bin/gingham\n"), "{said}");
    let before: Vec<_> = NAMES.map(|name| installed(&host).join(name).metadata().unwrap().ino()).into();
    let said = install(&host, &one).done();
    assert_eq!(said.matches(" is up to date\n").count(), 2, "{said}");
    let after: Vec<_> = NAMES.map(|name| installed(&host).join(name).metadata().unwrap().ino()).into();
    assert_eq!(before, after);
    assert_eq!(listed(&installed(&host)), NAMES);
    for name in NAMES {
        assert_eq!(installed(&host).join(name).metadata().unwrap().mode() & 0o7777, 0o755);
    }
}

#[test]
fn the_previous_version_is_kept_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (host, one, two) = (dir.path().join("host"), version(dir.path(), "one"), version(dir.path(), "two"));
    fs::create_dir(&host).unwrap();
    install(&host, &one).done();
    let nothing = node("rollback", &host, &[]).failed();
    assert!(nothing.contains("nothing to roll back"), "{nothing}");
    install(&host, &two).done();
    let bin = installed(&host);
    assert!(is_same(&bin.join("gingham"), &two.join("gingham")));
    assert!(is_same(&bin.join("gingham.previous"), &one.join("gingham")));
    node("rollback", &host, &[]).done();
    assert!(is_same(&bin.join("gingham"), &one.join("gingham")));
    node("rollback", &host, &[]).done();
    assert!(is_same(&bin.join("gingham"), &two.join("gingham")));
}

#[test]
fn a_program_that_does_not_start_replaces_none() {
    let dir = tempfile::tempdir().unwrap();
    let (host, one, two) = (dir.path().join("host"), version(dir.path(), "one"), version(dir.path(), "two"));
    fs::create_dir(&host).unwrap();
    install(&host, &one).done();
    for broken in ["#!/no/such/interpreter\n", "#!/bin/sh\necho wrong processor >&2; exit 3\n"] {
        fs::write(two.join("gingham"), broken).unwrap();
        let said = install(&host, &two).failed();
        assert!(said.contains(".gingham.new does not run on this node"), "{said}");
        assert!(is_same(&installed(&host).join("gingham"), &one.join("gingham")));
        assert!(!listed(&installed(&host)).contains(&".gingham.new".to_owned()));
    }
}

#[test]
fn a_link_is_replaced_and_what_it_leads_to_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (host, one, two) = (dir.path().join("host"), version(dir.path(), "one"), version(dir.path(), "two"));
    fs::create_dir(&host).unwrap();
    fs::create_dir_all(installed(&host)).unwrap();
    symlink(one.join("gingham"), installed(&host).join("gingham")).unwrap();
    let before = fs::read(one.join("gingham")).unwrap();
    install(&host, &two).done();
    assert!(is_same(&installed(&host).join("gingham"), &two.join("gingham")));
    assert_eq!(fs::read(one.join("gingham")).unwrap(), before);
}

#[test]
fn the_real_programs_are_installed() {
    let dir = tempfile::tempdir().unwrap();
    let from = plugin().parent().unwrap();
    install(dir.path(), from).done();
    let version = Command::new(installed(dir.path()).join("gingham")).env("CNI_COMMAND", "VERSION").output().unwrap();
    assert!(version.status.success());
    let removed = node(
        "uninstall",
        dir.path(),
        &[
            "--yes",
            "--config-dir",
            dir.path().join("net.d").to_str().unwrap(),
            "--data-dir",
            dir.path().join("data").to_str().unwrap(),
        ],
    )
    .done();
    assert!(removed.contains("opt/cni/bin/gingham\n"), "{removed}");
    assert!(listed(&installed(dir.path())).is_empty());
}

/// Calls of the kernel that change files. strace kills the process when it is about to make the n-th one.
const CALLS: [&str; 6] = ["write", "fchmod", "fsync", "link,linkat", "rename,renameat,renameat2", "unlink,unlinkat"];

#[test]
fn killed_before_any_change_it_leaves_whole_programs_and_finishes_later() {
    if !skipped_tests::has("/usr/bin/strace", "strace") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (version(dir.path(), "one"), version(dir.path(), "two"));
    let mut kills = 0;
    for calls in CALLS {
        for nth in 1.. {
            assert!(nth < 60, "{calls}: install never ends");
            let host = dir.path().join(format!("{calls}-{nth}"));
            fs::create_dir(&host).unwrap();
            install(&host, &one).done();
            let ended = killed_at(calls, nth, &host, &two);
            for name in NAMES {
                let now = installed(&host).join(name);
                assert!(
                    is_same(&now, &one.join(name)) || is_same(&now, &two.join(name)),
                    "{calls} {nth}: {name} is neither version"
                );
                let previous = installed(&host).join(format!("{name}.previous"));
                assert!(!previous.exists() || is_same(&previous, &one.join(name)), "{calls} {nth}: {name}.previous");
            }
            install(&host, &two).done();
            assert_eq!(
                listed(&installed(&host)),
                ["gingham", "gingham.previous", "ginghamctl", "ginghamctl.previous"],
                "{calls} {nth}"
            );
            assert!(is_same(&installed(&host).join("gingham"), &two.join("gingham")));
            fs::remove_dir_all(&host).unwrap();
            if ended {
                break;
            }
            kills += 1;
        }
    }
    // Per program: written, mode, synchronised twice, one link, two renames.
    assert!(kills >= 14, "{kills} kills");
}

/// True if there is no n-th call: the command ended by itself.
fn killed_at(calls: &str, nth: u32, host: &Path, from: &Path) -> bool {
    let status = Command::new("/usr/bin/strace")
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:signal=SIGKILL:when={nth}"), CTL, "node", "install", "--host"])
        .arg(host)
        .arg("--from")
        .arg(from)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    // strace ends as its program did.
    assert!(status.success() || status.signal() == Some(9), "{status}");
    status.success()
}
