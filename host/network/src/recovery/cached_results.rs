//! The results that runtimes keep (libcni's cache): a file for each attachment.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use gingham_cni::result::CniResult;
use gingham_cni::version::SpecVersion;
use gingham_engine::attachment::{AttachmentKey, Pod};
use rustix::fs::OFlags;
use serde::Deserialize;
use serde_json::Value;

use super::CachedResult;

/// Where runtimes keep them.
pub const CACHE_DIR: &str = "/var/lib/cni/results";

/// Larger than any result and its configuration.
const LARGEST: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    container_id: String,
    if_name: String,
    network_name: String,
    #[serde(default)]
    netns: String,
    #[serde(default)]
    config: String,
    #[serde(default)]
    cni_args: Option<Vec<(String, String)>>,
    #[serde(default)]
    result: Value,
}

/// Reads all in a directory, and returns why the other files are not results. A missing directory has none.
pub fn read(directory: &Path) -> (Vec<CachedResult>, Vec<String>) {
    let (mut results, mut faults) = (Vec::new(), Vec::new());
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (results, faults),
        Err(error) => {
            faults.push(format!("cannot read {}: {error}", directory.display()));
            return (results, faults);
        }
        Ok(entries) => entries,
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match read_entry(&path) {
            Ok(result) => results.push(result),
            Err(reason) => faults.push(format!("cannot use the cached result {}: {reason}", path.display())),
        }
    }
    (results, faults)
}

fn read_entry(path: &Path) -> Result<CachedResult, String> {
    let mut options = std::fs::OpenOptions::new();
    // A FIFO would make this wait.
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST) {
        return Err(format!("it is not a regular file of at most {LARGEST} bytes"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let result = CniResult::read("result", &entry.result, SpecVersion::NEWEST).map_err(|error| error.to_string())?;
    let is_ours = |index: usize| {
        let interface = result.interfaces.get(index);
        interface.is_some_and(|found| found.name == entry.if_name && !found.sandbox.is_empty())
    };
    let addresses = result.ips.iter().filter(|ip| ip.interface.is_none_or(is_ours)).map(|ip| ip.address).collect();
    let inside = result.interfaces.iter().find(|found| found.name == entry.if_name && !found.sandbox.is_empty());
    let sandbox = inside.map(|found| found.sandbox.clone()).unwrap_or_default();
    Ok(CachedResult {
        netns: if entry.netns.is_empty() { sandbox } else { entry.netns },
        pod: pod(&entry.cni_args.unwrap_or_default()),
        network: entry.network_name,
        key: AttachmentKey { container_id: entry.container_id, interface: entry.if_name },
        addresses,
        config: decode_base64(&entry.config).ok_or("its config is not base64")?,
    })
}

fn pod(arguments: &[(String, String)]) -> Pod {
    let value = |key: &str| {
        let found = arguments.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    Pod { namespace: value("K8S_POD_NAMESPACE"), name: value("K8S_POD_NAME"), uid: value("K8S_POD_UID") }
}

/// The alphabet with `+` and `/`.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("+/8=", &[0xfb, 0xff])]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(decode_base64("a b"), None);
    }

    #[test]
    fn what_is_no_result_is_named_and_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let good = r#"{"kind":"cniCacheV1","containerId":"c1","config":"e30=","ifName":"eth0","networkName":"n",
            "netns":"/run/netns/c1","cniArgs":[["IgnoreUnknown","1"],["K8S_POD_NAME","web"]],
            "result":{"cniVersion":"1.0.0","interfaces":[{"name":"br0"},{"name":"eth0","sandbox":"/run/netns/c1"}],
            "ips":[{"interface":1,"address":"10.1.0.2/24"},{"interface":0,"address":"10.9.0.1/24"}]}}"#;
        std::fs::write(directory.path().join("n-c1-eth0"), good).unwrap();
        std::fs::write(directory.path().join("n-c2-eth0"), "{").unwrap();
        std::fs::write(directory.path().join("n-c3-eth0"), "").unwrap();
        std::fs::create_dir(directory.path().join("n-c4-eth0")).unwrap();
        let (results, faults) = read(directory.path());
        assert_eq!((results.len(), faults.len()), (1, 3), "{faults:?}");
        assert_eq!(results[0].addresses, ["10.1.0.2/24".parse().unwrap()]);
        assert_eq!((results[0].pod.name.as_deref(), results[0].config.as_slice()), (Some("web"), &b"{}"[..]));
        assert!(faults[0].contains("n-c2-eth0"));
        assert_eq!(read(&directory.path().join("none")).0, []);
    }
}
