//! What `cluster` and `routing` may say, and what is answered when they say something else.

use super::super::Settings;
use super::super::routing::Routing;
use super::*;
use gingham_ownership::etcd_settings::{Login, Password, TlsFiles};
use serde_json::Map;

fn parse(ipam: &str) -> Result<Settings, String> {
    let object: Map<String, Value> = serde_json::from_str(ipam).unwrap();
    Settings::parse(&object).map_err(|error| error.to_string())
}

fn cluster(json: &str) -> Result<ClusterSettings, String> {
    parse(&format!(r#"{{"cluster": {json}}}"#)).map(|settings| settings.cluster.unwrap())
}

#[test]
fn every_key_is_read() {
    let settings = parse(
        r#"{"range": "10.32.0.0/12", "Routing": "vxlan", "CLUSTER": {"store": "etcd",
            "endpoints": ["https://192.0.2.1:2379", "https://etcd-2"], "Node": "n-1", "address": "192.0.2.7",
            "prefix": "/site/gingham", "user": "u", "passwordFile": "/p", "ca": "/ca", "cert": "/c", "key": "/k",
            "lowWater": 7, "vxlan": {"ID": 42, "port": 8472}}}"#,
    )
    .unwrap();
    assert_eq!(settings.policy_config, r#"{"range":"10.32.0.0/12"}"#);
    assert_eq!(settings.routing, Routing::Vxlan);
    let expected = ClusterSettings {
        store: StoreSettings::Etcd(EtcdSettings {
            endpoints: vec!["https://192.0.2.1:2379".parse().unwrap(), "https://etcd-2:2379".parse().unwrap()],
            prefix: "/site/gingham".to_owned(),
            login: Some(Login { user: "u".to_owned(), password: Password::File("/p".into()) }),
            tls: Some(TlsFiles { ca: "/ca".into(), identity: Some(("/c".into(), "/k".into())) }),
        }),
        node: Some("n-1".to_owned()),
        address: Some("192.0.2.7".parse().unwrap()),
        low_water: 7,
        vxlan: VxlanSettings { id: Some(42), port: 8472 },
    };
    assert_eq!(settings.cluster, Some(expected));
}

#[test]
fn what_is_not_said_has_a_default() {
    let settings = parse(r#"{"cluster": {"store": "etcd", "endpoints": ["http://a"], "node": null}}"#).unwrap();
    assert_eq!(settings.routing, Routing::Direct);
    let cluster = settings.cluster.unwrap();
    let StoreSettings::Etcd(etcd) = &cluster.store else { panic!("{cluster:?}") };
    assert_eq!((etcd.prefix.as_str(), &etcd.login, &etcd.tls), (PREFIX, &None, &None));
    let default = ClusterSettings { store: cluster.store.clone(), ..ClusterSettings::default() };
    assert_eq!(cluster, default);
    let alone = parse("{}").unwrap();
    assert_eq!((alone.cluster, alone.routing), (None, Routing::None));
    let fixed = parse(r#"{"cluster": {"store": "local", "members": ["b", "a"], "node": "a"}}"#).unwrap();
    assert_eq!(fixed.routing, Routing::None);
    let members = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(fixed.cluster.unwrap().store, StoreSettings::Local { members });
}

#[test]
fn with_kubernetes_the_agent_knows_the_rest() {
    let store = |json: &str| cluster(json).map(|cluster| cluster.store);
    let default = StoreSettings::Kubernetes { agent_socket: AGENT_SOCKET.into() };
    assert_eq!(store(r#"{"store": "kubernetes", "lowWater": 9}"#), Ok(default));
    let elsewhere = StoreSettings::Kubernetes { agent_socket: "/run/x.sock".into() };
    assert_eq!(store(r#"{"store": "kubernetes", "agentSocket": "/run/x.sock"}"#), Ok(elsewhere));
    assert_eq!(parse(r#"{"cluster": {"store": "kubernetes"}}"#).unwrap().routing, Routing::Direct);
}

#[test]
fn a_password_is_never_shown() {
    let settings =
        cluster(r#"{"store": "etcd", "endpoints": ["http://a"], "user": "u", "password": "hunter2"}"#).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    for password in ["[4711]", "4711"] {
        let error = cluster(&format!(r#"{{"store": "etcd", "endpoints": ["http://a"], "password": {password}}}"#));
        let error = error.unwrap_err();
        assert!(error.starts_with("ipam.cluster.password: ") && !error.contains("4711"), "{error}");
    }
}

fn names_its_key(key: &str, json: &str) {
    let error = cluster(json).unwrap_err();
    assert!(error.starts_with(&format!("ipam.{key}: ")), "{json}: {error}");
}

#[test]
fn a_bad_store_names_its_key() {
    let cases = [
        ("cluster", "[]"),
        ("cluster.store", "{}"),
        ("cluster.store", r#"{"store": "consul"}"#),
        ("cluster.endpoint", r#"{"store": "etcd", "endpoint": "x"}"#),
        ("cluster.endpoints", r#"{"store": "etcd"}"#),
        ("cluster.endpoints", r#"{"store": "etcd", "endpoints": []}"#),
        ("cluster.endpoints", r#"{"store": "etcd", "endpoints": "http://a"}"#),
        ("cluster.endpoints[1]", r#"{"store": "etcd", "endpoints": ["http://a", "a:1"]}"#),
        ("cluster.endpoints[1]", r#"{"store": "etcd", "endpoints": ["http://a", "https://b"]}"#),
        ("cluster.endpoints[0]", r#"{"store": "etcd", "endpoints": [1]}"#),
        ("cluster.agentSocket", r#"{"store": "kubernetes", "agentSocket": "x.sock"}"#),
        ("cluster.node", r#"{"store": "kubernetes", "node": "n-1"}"#),
        ("cluster.endpoints", r#"{"store": "kubernetes", "endpoints": ["http://a"]}"#),
        ("cluster.ca", r#"{"store": "kubernetes", "ca": "/ca"}"#),
        ("cluster.members", r#"{"store": "kubernetes", "members": ["a"]}"#),
        ("cluster.endpoints", r#"{"store": "local", "endpoints": ["http://a"]}"#),
        ("cluster.user", r#"{"store": "local", "user": "u"}"#),
        ("cluster.members", r#"{"store": "local", "members": []}"#),
        ("cluster.members[1]", r#"{"store": "local", "members": ["a", "a"]}"#),
        ("cluster.members[0]", r#"{"store": "local", "members": ["a/b"]}"#),
        ("cluster.node", r#"{"store": "local", "members": ["a"], "node": "b"}"#),
        ("cluster.directory", r#"{"store": "directory"}"#),
        ("cluster.directory", r#"{"store": "directory", "directory": "here"}"#),
        ("cluster.prefix", r#"{"store": "directory", "directory": "/d", "prefix": "/p"}"#),
    ];
    cases.iter().for_each(|(key, json)| names_its_key(key, json));
}

#[test]
fn a_bad_value_beside_a_good_store_names_its_key() {
    let etcd = r#""store": "etcd", "endpoints": ["http://a"]"#;
    let https = r#""store": "etcd", "endpoints": ["https://a"]"#;
    let cases = [
        ("cluster.members", format!(r#"{{{etcd}, "members": ["a"]}}"#)),
        ("cluster.agentSocket", format!(r#"{{{etcd}, "agentSocket": "/run/x.sock"}}"#)),
        ("cluster.directory", format!(r#"{{{etcd}, "directory": "/d"}}"#)),
        ("cluster.node", format!(r#"{{{etcd}, "node": "a b"}}"#)),
        ("cluster.node", format!(r#"{{{etcd}, "node": ""}}"#)),
        ("cluster.address", format!(r#"{{{etcd}, "address": "192.0.2.1/24"}}"#)),
        ("cluster.address", format!(r#"{{{etcd}, "address": "127.0.0.1"}}"#)),
        ("cluster.address", format!(r#"{{{etcd}, "address": "::"}}"#)),
        ("cluster.prefix", format!(r#"{{{etcd}, "prefix": "gingham"}}"#)),
        ("cluster.prefix", format!(r#"{{{etcd}, "prefix": "/gingham/"}}"#)),
        ("cluster.prefix", format!(r#"{{{etcd}, "prefix": "/"}}"#)),
        ("cluster.user", format!(r#"{{{etcd}, "password": "p"}}"#)),
        ("cluster.password", format!(r#"{{{etcd}, "user": "u"}}"#)),
        ("cluster.passwordFile", format!(r#"{{{etcd}, "user": "u", "password": "p", "passwordFile": "/p"}}"#)),
        ("cluster.passwordFile", format!(r#"{{{etcd}, "user": "u", "passwordFile": "p"}}"#)),
        ("cluster.ca", format!(r#"{{{etcd}, "ca": "/ca"}}"#)),
        ("cluster.ca", format!("{{{https}}}")),
        ("cluster.ca", format!(r#"{{{https}, "ca": 1}}"#)),
        ("cluster.key", format!(r#"{{{https}, "ca": "/ca", "cert": "/c"}}"#)),
        ("cluster.cert", format!(r#"{{{https}, "ca": "/ca", "key": "/k"}}"#)),
        ("cluster.lowWater", format!(r#"{{{etcd}, "lowWater": -1}}"#)),
        ("cluster.lowWater", format!(r#"{{{etcd}, "lowWater": "64"}}"#)),
        ("cluster.vxlan", format!(r#"{{{etcd}, "vxlan": 4}}"#)),
        ("cluster.vxlan.vni", format!(r#"{{{etcd}, "vxlan": {{"vni": 4}}}}"#)),
        ("cluster.vxlan.id", format!(r#"{{{etcd}, "vxlan": {{"id": 16777216}}}}"#)),
        ("cluster.vxlan.port", format!(r#"{{{etcd}, "vxlan": {{"port": 0}}}}"#)),
    ];
    cases.iter().for_each(|(key, json)| names_its_key(key, json));
}

#[test]
fn an_error_repeats_the_value_and_has_a_hint() {
    let cases = [
        (r#"{"store": "consul"}"#, "store: invalid store \"consul\": use \"etcd\", \"kubernetes\""),
        (
            r#"{"store": "etcd", "endpoints": ["a:1"]}"#,
            "endpoints[0]: found \"a:1\": the URL does not begin with http:// or https://: use one such as",
        ),
        (
            r#"{"store": "local", "members": ["a/b"]}"#,
            "members[0]: invalid node name \"a/b\": use 1 to 253 letters, digits, \"-\", \".\" and \"_\"",
        ),
        (r#"{"store": "local", "ca": "/ca"}"#, "ca: the key is not for the store \"local\": remove it"),
        (
            r#"{"store": "local", "vxlan": {"port": 0}}"#,
            "vxlan.port: invalid port 0: use a whole number from 1 to 65535",
        ),
        (r#"{"store": "local", "vxlan": {"vni": 1}}"#, "vxlan.vni: found an unknown key, expected \"id\" or \"port\""),
    ];
    for (json, begins) in cases {
        let error = cluster(json).unwrap_err();
        assert!(error.starts_with(&format!("ipam.cluster.{begins}")), "{json}: {error}");
    }
}

#[test]
fn routing_wants_a_store_that_knows_the_nodes() {
    let routing = |json: &str| parse(json).map(|settings| settings.routing);
    assert_eq!(routing(r#"{"routing": "none"}"#), Ok(Routing::None));
    let etcd = r#""cluster": {"store": "etcd", "endpoints": ["http://a"]}"#;
    assert_eq!(routing(&format!(r#"{{"routing": "none", {etcd}}}"#)), Ok(Routing::None));
    assert_eq!(routing(&format!(r#"{{"routing": null, {etcd}}}"#)), Ok(Routing::Direct));
    let local = r#""cluster": {"store": "local", "members": ["a"]}"#;
    let bad = [
        r#"{"routing": "direct"}"#.to_owned(),
        format!(r#"{{"routing": "vxlan", {local}}}"#),
        format!(r#"{{"routing": "bgp", {etcd}}}"#),
        format!(r#"{{"routing": true, {etcd}}}"#),
    ];
    for json in bad {
        let error = routing(&json).unwrap_err();
        assert!(error.starts_with("ipam.routing: "), "{json}: {error}");
    }
}

#[test]
fn the_key_routing_had_another_name() {
    let error = "ipam.reach: the key was renamed: use routing: direct | vxlan | none";
    for json in [r#"{"reach": "route"}"#, r#"{"Reach": "route"}"#, r#"{"reach": "none", "routing": "none"}"#] {
        assert_eq!(parse(json).map(drop), Err(error.to_owned()), "{json}");
    }
    assert_eq!(parse(r#"{"Reach": null}"#).map(|settings| settings.policy_config), Ok("{}".to_owned()));
}
