//! The programs under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// `ginghamctl`.
pub(crate) const CTL: &str = env!("CARGO_BIN_EXE_ginghamctl");

/// The plugin, built by cargo as this test was. All programs are built in one call, so that they share features and
/// nothing is built twice.
pub(crate) fn plugin() -> &'static Path {
    static PLUGIN: LazyLock<PathBuf> = LazyLock::new(|| {
        let profile = Path::new(CTL).parent().unwrap();
        let name = match profile.file_name().and_then(OsStr::to_str).unwrap() {
            "debug" => "dev",
            name => name,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--offline", "--profile", name]);
        cargo
            .args(["--package", "gingham", "--package", "ginghamctl", "--package", "gingham-node", "--target-dir"])
            .arg(profile.parent().unwrap());
        // Build scripts that look at these, like ring's, would run again, and all that uses them would be built again.
        let of_this_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this_test)) {
            cargo.env_remove(name);
        }
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile.join("gingham")
    });
    &PLUGIN
}

/// What came of a call.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `ginghamctl`.
pub(crate) fn ctl<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Said {
    Said::by(Command::new(CTL).args(arguments))
}

impl Said {
    pub(crate) fn by(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Standard output of a call that succeeded and complained of nothing.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Standard error of a call that failed, as people read it.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.err);
        assert!(self.err.starts_with("ginghamctl: "), "{}", self.err);
        self.err
    }
}

/// Takes out of a text what is different each time: times, digests, sizes, hardware addresses.
pub(crate) fn scrubbed(text: &str) -> String {
    text.lines().map(|line| scrubbed_line(line) + "\n").collect()
}

fn scrubbed_line(line: &str) -> String {
    let line = line.replace("just now", "1 s ago");
    let is_table = line.contains(" s ago (") || line.contains("SINCE");
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line[indent..].split(' ').filter(|word| !is_table || !word.is_empty()).collect();
    let scrub = |(index, word): (usize, &&str)| {
        let next = words.get(index + 1).map(|next| next.trim_end_matches([',', ')', ';']));
        let number = word.trim_start_matches('(');
        if number.parse::<f64>().is_ok() && matches!(next, Some("ms" | "s" | "kB")) {
            return word.replace(number, "N");
        }
        if let Some(at) = word.find("sha256:").filter(|at| !word[at + 7..].starts_with("HEX")) {
            let digits = word[at + 7..].chars().take_while(char::is_ascii_hexdigit).count();
            return format!("{}HEX{}", &word[..at + 7], &word[at + 7 + digits..]);
        }
        if word.starts_with("20") && word.ends_with('Z') {
            return "UTC".to_owned();
        }
        if word.starts_with("(20") && word.ends_with("Z)") { "(UTC)".to_owned() } else { (*word).to_owned() }
    };
    let scrubbed: Vec<String> = words.iter().enumerate().map(scrub).collect();
    " ".repeat(indent) + &scrubbed.join(" ")
}
