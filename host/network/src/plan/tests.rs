use proptest::prelude::*;

use super::*;

fn config(text: &str) -> NetworkConfig {
    NetworkConfig::parse(text.as_bytes()).unwrap()
}

fn source(program: &str, ipam: &str) -> Result<AddressSource, PlanError> {
    let config = config(&format!(r#"{{"name":"n","type":"net-script","ipam":{ipam}}}"#));
    address_source(program, config.ipam.as_ref(), is_policy)
}

fn is_policy(name: &str) -> bool {
    ["host-local", "by-namespace"].contains(&name)
}

fn policy(name: &str) -> AddressSource {
    AddressSource::Policy(PolicyChoice { name: name.to_owned(), digest: None })
}

#[test]
fn the_role_follows_the_name_it_runs_under() {
    let main = config(r#"{"name":"n","type":"net-script","ipam":{"type":"host-local"}}"#);
    assert_eq!(role("net-script", &main, is_policy), Ok(Role::Main));
    assert_eq!(role("host-local", &main, is_policy), Ok(Role::Ipam));
    let text = role("gingham", &main, is_policy).unwrap_err().to_string();
    assert!(
        text.contains("\"net-script\"") && text.contains("\"host-local\"") && text.contains("\"gingham\""),
        "{text}"
    );
    let both = config(r#"{"name":"n","type":"gingham","ipam":{"type":"gingham","policy":"x"}}"#);
    assert_eq!(role("gingham", &both, is_policy), Ok(Role::Main));
    assert_eq!(role("gingham", &both, |_| true), Ok(Role::Main), "its own name is never a policy's");
}

#[test]
fn under_a_policys_name_it_is_never_the_main_plugin() {
    let both = config(r#"{"name":"n","type":"host-local","ipam":{"type":"host-local"}}"#);
    assert_eq!(role("host-local", &both, is_policy), Ok(Role::Ipam));
    for ipam in ["", r#","ipam":{"type":"static"}"#] {
        let main_only = config(&format!(r#"{{"name":"n","type":"host-local"{ipam}}}"#));
        assert!(matches!(role("host-local", &main_only, is_policy), Err(PlanError::NotConcerned { .. })), "{ipam}");
    }
}

#[test]
fn an_ipam_type_that_is_a_policy_is_that_policy() {
    assert_eq!(source("net-script", r#"{"type":"host-local"}"#), Ok(policy("host-local")));
    assert_eq!(source("host-local", r#"{"type":"host-local"}"#), Ok(policy("host-local")));
    assert_eq!(source("host-local", r#"{"type":"host-local","policy":"by-namespace"}"#), Ok(policy("by-namespace")));
}

#[test]
fn a_link_under_a_policys_name_means_that_policy_even_before_it_is_installed() {
    assert_eq!(source("web-only", r#"{"type":"web-only"}"#), Ok(policy("web-only")));
}

#[test]
fn the_own_name_needs_a_policy() {
    assert_eq!(source("net-script", r#"{"type":"gingham","policy":"host-local"}"#), Ok(policy("host-local")));
    for ipam in [r#"{"type":"gingham"}"#, r#"{"type":"gingham","policy":null}"#, r#"{"type":"gingham","policy":""}"#] {
        assert!(matches!(source("net-script", ipam), Err(PlanError::NoPolicy { .. })), "{ipam}");
    }
}

#[test]
fn any_other_ipam_type_is_another_plugin() {
    assert_eq!(source("net-script", r#"{"type":"static"}"#), Ok(AddressSource::Delegate("static".to_owned())));
    assert_eq!(source("net-script", "{}"), Ok(AddressSource::None));
}

#[test]
fn a_policy_can_be_pinned() {
    let hex = "Ab".repeat(32);
    let AddressSource::Policy(choice) =
        source("net-script", &format!(r#"{{"type":"gingham","policy":"sticky@sha256:{hex}"}}"#)).unwrap()
    else {
        panic!("no policy");
    };
    assert_eq!((choice.name.as_str(), choice.digest), ("sticky", Some(format!("sha256:{}", hex.to_lowercase()))));
    for policy in ["sticky@", "sticky@md5:00", "sticky@sha256:00", &format!("@sha256:{hex}")] {
        let found = source("net-script", &format!(r#"{{"type":"gingham","policy":{policy:?}}}"#));
        assert!(matches!(found, Err(PlanError::BadPolicy { .. })), "{policy}");
    }
}

#[test]
fn the_host_end_keeps_its_name_for_ever() {
    let network = NetworkName::new("mynet").unwrap();
    let end = HostEnd::named(&network, "c1", "eth0").unwrap();
    // A change here would orphan the links of running containers when the plugin is upgraded.
    assert_eq!(end.name.as_str(), "vethacef3d45f16");
    assert_eq!(end.alias, "gingham mynet c1 eth0");
}

proptest! {
    #[test]
    fn host_ends_fit_the_kernel_and_begin_alike(network in "[a-z0-9]{1,255}", container in "[a-z0-9]{1,300}") {
        let network = NetworkName::new(&network).unwrap();
        let end = HostEnd::named(&network, &container, "eth0").unwrap();
        prop_assert_eq!(end.name.as_str().len(), 15);
        prop_assert!(end.alias.len() <= 254);
        prop_assert!(end.alias.starts_with(&alias::of_network(network.as_str())));
    }
}
