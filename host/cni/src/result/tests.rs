use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn dual_stack() -> CniResult {
    let route = |dst: &str, gw: Option<&str>| Route {
        dst: dst.parse().unwrap(),
        gw: gw.map(|gw| gw.parse().unwrap()),
        mtu: None,
        advmss: None,
        priority: Some(100),
        table: None,
        scope: None,
    };
    CniResult {
        interfaces: vec![
            Interface { name: "cni0".into(), mac: "02:00:00:00:00:01".into(), ..Interface::default() },
            Interface { name: "veth0123456789a".into(), mac: "02:00:00:00:00:02".into(), ..Interface::default() },
            Interface {
                name: "eth0".into(),
                mac: "02:00:00:00:00:03".into(),
                mtu: 1400,
                sandbox: "/run/netns/c1".into(),
                ..Interface::default()
            },
        ],
        ips: vec![
            IpConfig {
                interface: Some(2),
                address: "10.244.0.2/16".parse().unwrap(),
                gateway: Some("10.244.0.1".parse().unwrap()),
            },
            IpConfig { interface: Some(2), address: "2001:db8::2/64".parse().unwrap(), gateway: None },
        ],
        routes: vec![route("0.0.0.0/0", None), route("2001:db8:1::/48", Some("2001:db8::1"))],
        dns: Dns { nameservers: vec!["10.244.0.1".into()], ..Dns::default() },
    }
}

fn read(value: &Value) -> CniResult {
    CniResult::read("ipam", value, SpecVersion::V0_2_0).unwrap()
}

#[test]
fn written_in_the_first_shape() {
    assert_snapshot!(dual_stack().render(SpecVersion::V0_1_0).unwrap());
    let later = dual_stack().render(SpecVersion::V0_2_0).unwrap();
    assert_eq!(later.replace("0.2.0", "0.1.0"), dual_stack().render(SpecVersion::V0_1_0).unwrap());
}

#[test]
fn written_with_families_beside_the_addresses() {
    assert_snapshot!(dual_stack().render(SpecVersion::V0_3_0).unwrap());
    for version in [SpecVersion::V0_3_1, SpecVersion::V0_4_0] {
        let text = dual_stack().render(version).unwrap();
        assert_eq!(text.replace(version.as_str(), "0.3.0"), dual_stack().render(SpecVersion::V0_3_0).unwrap());
    }
}

#[test]
fn written_in_todays_shape() {
    assert_snapshot!(dual_stack().render(SpecVersion::V1_0_0).unwrap());
    let later = dual_stack().render(SpecVersion::V1_1_0).unwrap();
    assert_eq!(later.replace("1.1.0", "1.0.0"), dual_stack().render(SpecVersion::V1_0_0).unwrap());
}

#[test]
fn an_empty_dns_is_written_before_1_0_0_only() {
    let result = CniResult { dns: Dns::default(), ..dual_stack() };
    assert!(result.render(SpecVersion::V0_2_0).unwrap().contains("\"dns\": {}"));
    assert!(result.render(SpecVersion::V0_4_0).unwrap().contains("\"dns\": {}"));
    assert!(!result.render(SpecVersion::V1_0_0).unwrap().contains("dns"));
}

#[test]
fn the_first_versions_need_one_address_per_family() {
    let empty: [IpNet; 0] = [];
    let version = SpecVersion::V0_2_0;
    assert_eq!(CniResult::fits(version, &empty), Err(ResultError::NoAddress { version }));
    let two: [IpNet; 2] = ["10.0.0.1/8".parse().unwrap(), "10.0.0.2/8".parse().unwrap()];
    assert_eq!(CniResult::fits(version, &two), Err(ResultError::TooManyAddresses { version }));
    assert_eq!(CniResult::fits(SpecVersion::V0_3_0, &two), Ok(()));
    assert_eq!(CniResult::fits(SpecVersion::V0_3_0, &empty), Ok(()));
    assert_eq!(CniResult::fits(version, &two[..1]), Ok(()));
}

#[test]
fn every_version_reads_back_what_it_wrote() {
    for version in SpecVersion::ALL {
        let text = dual_stack().render(version).unwrap();
        let back = read(&serde_json::from_str(&text).unwrap());
        let addresses = |result: &CniResult| result.ips.iter().map(|ip| (ip.address, ip.gateway)).collect::<Vec<_>>();
        assert_eq!(addresses(&back), addresses(&dual_stack()), "{version}");
        if version >= SpecVersion::V0_3_0 {
            assert_eq!(back, dual_stack(), "{version}");
        }
    }
}

#[test]
fn a_result_without_version_has_the_configurations() {
    let old = json!({"ip4": {"ip": "10.0.0.2/24", "gateway": "", "routes": null}});
    assert_eq!(read(&old).ips[0].gateway, None);
    let lists = json!({"IPs": [{"version": "4", "address": "10.0.0.2/24", "interface": -1}], "routes": null});
    let result = CniResult::read("ipam", &lists, SpecVersion::V0_4_0).unwrap();
    assert_eq!((result.ips.len(), result.ips[0].interface), (1, None));
}

#[test]
fn nothing_is_an_empty_result() {
    assert_eq!(read(&Value::Null), CniResult::default());
    assert_eq!(read(&json!({})), CniResult::default());
}

#[test]
fn faults_name_the_origin_and_the_key() {
    let fault = |value: Value| CniResult::read("prevResult", &value, SpecVersion::V1_0_0).unwrap_err().to_string();
    assert!(fault(json!({"ips": [{"address": "x"}]})).starts_with("prevResult: ips[0].address: found \"x\""));
    assert!(fault(json!({"cniVersion": "7"})).contains("config is \"7\""));
    assert!(fault(json!([])).starts_with("prevResult: "));
}

proptest! {
    #[test]
    fn no_result_panics(
        version in "0\\.[1-4]\\.[01]|1\\.[01]\\.0",
        key in "ip4|ips|interfaces|routes|dns",
        value in "\\[\\{\"(address|dst|name|ip)\":\"[0-9./:a-f]{0,12}\"\\}\\]|\\{\"ip\":\"10.0.0.1/[0-9]{1,3}\"\\}|7|null",
    ) {
        let text = format!("{{\"cniVersion\":{version:?},{key:?}:{value}}}");
        if let Ok(value) = serde_json::from_str(&text)
            && let Ok(result) = CniResult::read("x", &value, SpecVersion::V1_1_0)
        {
            for version in SpecVersion::ALL {
                let _ = result.render(version);
            }
        }
    }
}
